#include "shim/ctl/host.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "base/files.h"

namespace spoor::ctl {
namespace {

bool is_executable_file(const std::string& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

bool has_word(std::string_view text, std::string_view word) {
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find_first_of(" \n", at);
        if (end == std::string_view::npos) end = text.size();
        if (text.substr(at, end - at) == word) return true;
        at = end + 1;
    }
    return false;
}

// The path after `prefix` in /proc/self/cgroup, "" if there is no such line.
std::string cgroup_path(const std::string& text, std::string_view prefix) {
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find('\n', at);
        if (end == std::string::npos) end = text.size();
        std::string_view line(text.data() + at, end - at);
        if (line.starts_with(prefix)) return std::string(line.substr(prefix.size()));
        at = end + 1;
    }
    return {};
}

bool has_user_manager() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    return runtime && *runtime && ::access((std::string(runtime) + "/systemd/private").c_str(), F_OK) == 0;
}

void probe_v2(Cgroups& found, const std::string& cgroup_root, const std::string& proc_self_cgroup) {
    auto text = read_file(proc_self_cgroup, 1u << 20);
    std::string path = text ? cgroup_path(*text, "0::") : "";
    if (path.empty()) {
        found.delegation = "this process is in no v2 cgroup";
        return;
    }
    found.own = cgroup_root + (path == "/" ? "" : path);
    auto controllers = read_file(found.own + "/cgroup.controllers", 4096);
    found.pids = controllers && has_word(*controllers, "pids");
    if (::geteuid() == 0) {
        found.delegated = true;
        found.delegation = "root";
    } else if (has_user_manager()) {
        found.delegated = true;
        found.delegation = "by the systemd user manager";
        // Podman asks the manager for a scope beside ours; what it has shows in the manager's own cgroup.
        auto unit = read_file(cgroup_root + "/user.slice/user-" + std::to_string(::getuid()) +
                                  ".slice/user@" + std::to_string(::getuid()) + ".service/cgroup.controllers",
                              4096);
        if (unit) found.pids = has_word(*unit, "pids");
    } else if (::access(found.own.c_str(), W_OK) == 0 &&
               ::access((found.own + "/cgroup.procs").c_str(), W_OK) == 0) {
        found.delegated = true;
        found.delegation = found.own + " is writable";
    } else {
        found.delegation = found.own + " is not writable and there is no systemd user manager";
    }
}

}  // namespace

std::string own_directory() {
    char path[PATH_MAX];
    ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0) return {};
    std::string self(path, static_cast<size_t>(length));
    return self.substr(0, self.rfind('/'));
}

Result<std::string> find_program(const std::string& name, bool beside) {
    if (name.find('/') != std::string::npos) {
        char absolute[PATH_MAX];
        if (!::realpath(name.c_str(), absolute)) return errno_error(name);
        if (!is_executable_file(absolute)) return Error{EACCES, name + ": not an executable file"};
        // The name given, made absolute: a link's own name can matter to the program behind it.
        if (name.front() == '/') return name;
        std::string given = name;
        size_t slash = given.rfind('/');
        if (!::realpath(given.substr(0, slash).c_str(), absolute)) return errno_error(name);
        return std::string(absolute) + given.substr(slash);
    }
    if (beside)
        if (std::string path = own_directory() + "/" + name; is_executable_file(path)) return path;
    const char* variable = std::getenv("PATH");
    std::string_view list = variable ? variable : "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    for (;;) {
        size_t end = list.find(':');
        std::string_view directory = list.substr(0, end);
        // Relative entries would find another program in every directory.
        if (directory.starts_with('/'))
            if (std::string path = std::string(directory) + "/" + name; is_executable_file(path)) return path;
        if (end == std::string_view::npos) break;
        list.remove_prefix(end + 1);
    }
    return Error{ENOENT, name + ": not found " + (beside ? "beside spoorctl or " : "") + "in PATH"};
}

Cgroups probe_cgroups(const std::string& cgroup_root, const std::string& proc_self_cgroup) {
    Cgroups found;
    struct statfs fs {};
    if (::statfs(cgroup_root.c_str(), &fs) < 0) {
        found.delegation = cgroup_root + " is not there";
        return found;
    }
    // A test's tree is on no cgroup2 file system: the file that only v2 roots have decides too.
    if (fs.f_type == CGROUP2_SUPER_MAGIC ||
        ::access((cgroup_root + "/cgroup.controllers").c_str(), F_OK) == 0) {
        found.layout = CgroupLayout::v2;
        probe_v2(found, cgroup_root, proc_self_cgroup);
        return found;
    }
    bool unified = ::access((cgroup_root + "/unified/cgroup.controllers").c_str(), F_OK) == 0;
    found.layout = unified ? CgroupLayout::hybrid : CgroupLayout::v1;
    found.pids = ::access((cgroup_root + "/pids").c_str(), F_OK) == 0;
    if (::geteuid() == 0) {
        found.delegated = true;
        found.delegation = "root";
    } else {
        found.delegation = "cgroup v1 cannot be delegated to users";
    }
    return found;
}

std::string_view name_of(CgroupLayout layout) {
    switch (layout) {
        case CgroupLayout::v1:
            return "v1";
        case CgroupLayout::hybrid:
            return "v1 and v2 (hybrid)";
        case CgroupLayout::v2:
            return "v2";
        case CgroupLayout::none:
            break;
    }
    return "none";
}

bool has_systemd() { return ::access("/run/systemd/system", F_OK) == 0; }

HostView host_view(const std::string& root) {
    HostView view;
    std::string base = root.ends_with('/') ? root : root + "/";
    auto is_directory = [&](const std::string& name) {
        struct stat st {};
        return ::lstat((base + name).c_str(), &st) == 0 && S_ISDIR(st.st_mode);
    };
    for (const char* name : {"usr", "etc", "opt"})
        if (is_directory(name)) view.read_only.push_back(base + name);
    for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
        char target[PATH_MAX];
        ssize_t length = ::readlink((base + name).c_str(), target, sizeof target);
        if (length > 0)
            view.links.push_back({name, std::string(target, static_cast<size_t>(length))});
        else if (is_directory(name))  // hosts without a merged /usr
            view.read_only.push_back(base + name);
    }
    return view;
}

}  // namespace spoor::ctl
