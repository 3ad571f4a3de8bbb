#include "oci/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <optional>

#include "base/files.h"

namespace spoor {
namespace {

constexpr size_t largest_cgroup_file = 1024 * 1024;
constexpr size_t largest_mountinfo = 16 * 1024 * 1024;

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return parts;
}

std::vector<std::string> split_owned(std::string_view text, char separator) {
    const auto parts = split(text, separator);
    return {parts.begin(), parts.end()};
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape_octal(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
            is_octal(text[i + 3])) {
            out +=
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

// `path` below `top` as "/rest" ("" for `top` itself); nothing if it is not there.
std::optional<std::string> below(const std::string& path, const std::string& top) {
    if (top == "/") return path == "/" ? "" : path;
    if (path == top) return "";
    if (path.size() > top.size() && path.starts_with(top) && path[top.size()] == '/')
        return path.substr(top.size());
    return std::nullopt;
}

bool has(const std::vector<std::string>& items, std::string_view wanted) {
    return std::find(items.begin(), items.end(), wanted) != items.end();
}

bool leaves_the_namespace(const std::string& path) { return path == "/.." || path.starts_with("/../"); }

// `controller` empty: v2.
const CgroupEntry* find_entry(const std::vector<CgroupEntry>& entries, std::string_view controller) {
    for (const auto& entry : entries)
        if (controller.empty() ? entry.controllers.empty() : has(entry.controllers, controller))
            return &entry;
    return nullptr;
}

// The directory that shows `path`, through the mount whose top is nearest to it.
std::optional<std::string> find_directory(const std::vector<CgroupMount>& mounts, std::string_view controller,
                                          const std::string& path) {
    const CgroupMount* best = nullptr;
    std::string rest;
    for (const auto& mount : mounts) {
        const bool fits =
            controller.empty() ? mount.version == 2 : mount.version == 1 && has(mount.options, controller);
        // A top above the namespace hides the name of the namespace's own root.
        if (!fits || leaves_the_namespace(mount.root)) continue;
        const auto here = below(path, mount.root);
        if (!here || (best != nullptr && mount.root.size() < best->root.size())) continue;
        best = &mount;  // of equal ones the last: it is mounted over the others
        rest = *here;
    }
    if (best == nullptr) return std::nullopt;
    return best->mount_point == "/" ? rest : best->mount_point + rest;
}

enum class Found { opened, absent, shared };

struct Attempt {
    Found found = Found::absent;
    ContainerCgroup cgroup;
};

Result<Attempt> try_hierarchy(const std::vector<CgroupEntry>& container, const std::vector<CgroupEntry>& self,
                              const std::vector<CgroupMount>& mounts, const std::string& controller) {
    Attempt attempt;
    const CgroupEntry* theirs = find_entry(container, controller);
    if (theirs == nullptr || leaves_the_namespace(theirs->path)) return attempt;
    if (theirs->path.ends_with(" (deleted)")) return Error{ESRCH, "the container's process has ended"};

    const CgroupEntry* ours = find_entry(self, controller);
    if (ours != nullptr && below(ours->path, theirs->path)) {
        attempt.found = Found::shared;
        return attempt;
    }
    const auto directory = find_directory(mounts, controller, theirs->path);
    if (!directory) return attempt;
    auto dir = open_file(*directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) return std::move(dir).error().context("open the container's cgroup");
    attempt.found = Found::opened;
    attempt.cgroup = {std::move(*dir), controller.empty() ? 2 : 1, controller.empty() ? "v2" : controller,
                      *directory};
    return attempt;
}

// The container's cgroup in the first of `controllers` (empty: v2) that has one of its own.
Result<ContainerCgroup> open_first(pid_t pid, const std::string& proc,
                                   std::initializer_list<const char*> controllers) {
    auto container = read_file(proc + "/" + std::to_string(pid) + "/cgroup", largest_cgroup_file);
    if (!container) return std::move(container).error().context("find the container's cgroup");
    auto self = read_file(proc + "/self/cgroup", largest_cgroup_file);
    if (!self) return std::move(self).error().context("find the caller's own cgroup");
    auto mountinfo = read_file(proc + "/self/mountinfo", largest_mountinfo);
    if (!mountinfo) return std::move(mountinfo).error().context("find the cgroup mounts");

    const auto their_entries = parse_cgroup_entries(*container);
    const auto our_entries = parse_cgroup_entries(*self);
    const auto mounts = parse_cgroup_mounts(*mountinfo);
    bool shared = false;
    for (const char* controller : controllers) {
        auto attempt = try_hierarchy(their_entries, our_entries, mounts, controller);
        if (!attempt) return std::move(attempt).error();
        if (attempt->found == Found::opened) return std::move(attempt->cgroup);
        shared = shared || attempt->found == Found::shared;
    }
    if (shared) return Error{EBUSY, "the container shares the cgroup of its manager (cgroups disabled?)"};
    std::string looked_for;
    for (const std::string_view controller : controllers)
        looked_for.append(looked_for.empty() ? "" : ", ").append(controller.empty() ? "cgroup2" : controller);
    return Error{ENOENT, "no mounted cgroup hierarchy shows the container (looked for " + looked_for + ")"};
}

}  // namespace

std::vector<CgroupEntry> parse_cgroup_entries(std::string_view text) {
    std::vector<CgroupEntry> entries;
    for (std::string_view line : split(text, '\n')) {
        const size_t first = line.find(':');
        if (first == std::string_view::npos) continue;
        const size_t second = line.find(':', first + 1);  // the path may hold more of them
        if (second == std::string_view::npos) continue;
        CgroupEntry entry;
        entry.controllers = split_owned(line.substr(first + 1, second - first - 1), ',');
        entry.path = line.substr(second + 1);
        if (entry.path.starts_with('/')) entries.push_back(std::move(entry));
    }
    return entries;
}

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
    std::vector<CgroupMount> mounts;
    for (std::string_view line : split(mountinfo, '\n')) {
        // id parent major:minor root mount-point options [optional fields] - type source super-options
        const auto fields = split(line, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (dash - fields.begin() < 6 || fields.end() - dash < 4) continue;
        if (dash[1] != "cgroup2" && dash[1] != "cgroup") continue;
        mounts.push_back({dash[1] == "cgroup2" ? 2 : 1, split_owned(dash[3], ','), unescape_octal(fields[3]),
                          unescape_octal(fields[4])});
    }
    return mounts;
}

bool is_cgroup2(const std::string& path) {
    struct statfs fs {};
    return ::statfs(path.c_str(), &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

std::string cgroup_to_be(const std::string& cgroups_path, const std::string& container_id) {
    std::string path = cgroups_path.empty() ? container_id : cgroups_path;
    if (!path.starts_with('/')) path.insert(0, "/");
    const bool plain = path.size() > 1 && !path.ends_with('/') && path.find("..") == std::string::npos;
    return plain && path.find(':') == std::string::npos ? path : "";
}

Result<ContainerCgroup> open_container_cgroup(pid_t pid, const std::string& proc) {
    return open_first(pid, proc, {"", "pids", "freezer"});
}

Result<ContainerFreezer> open_container_freezer(pid_t pid, const std::string& proc) {
    auto cgroup = open_first(pid, proc, {"", "freezer"});
    if (!cgroup) return std::move(cgroup).error();
    const bool v2 = cgroup->version == 2;
    const char* name = v2 ? "cgroup.freeze" : "freezer.state";
    ContainerFreezer freezer{UniqueFd(::openat(cgroup->dir.get(), name, O_RDWR | O_CLOEXEC)),
                             v2 ? "1" : "FROZEN", v2 ? "0" : "THAWED"};
    if (!freezer.file) return errno_error(cgroup->path + "/" + name);
    return freezer;
}

}  // namespace spoor
