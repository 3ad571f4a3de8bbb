#include "shim/broker/cgroup_claim.h"

#include <linux/magic.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/files.h"
#include "base/process.h"

#ifndef SO_PEERPIDFD  // Linux 6.5
#define SO_PEERPIDFD 77
#endif

namespace spoor::broker {
namespace {

constexpr size_t proc_limit = 4 << 20;

// The v1 hierarchies a scope can stand on: the programs look a process up in these (bpf/process.bpf.h).
constexpr const char* scope_subsystems[] = {"pids", "freezer"};

bool has_option(const std::string& options, const std::string& wanted) {
    std::istringstream list(options);
    for (std::string option; std::getline(list, option, ',');)
        if (option == wanted) return true;
    return false;
}

// Which v1 subsystem is mounted as the file system with this device number (mountinfo, proc(5)).
Result<std::string> subsystem_of_device(dev_t device, const std::string& proc) {
    auto text = read_file(proc + "/self/mountinfo", proc_limit);
    if (!text) return std::move(text).error();
    std::string wanted = std::to_string(major(device)) + ":" + std::to_string(minor(device));
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string id, parent, number, word, type, source, options;
        fields >> id >> parent >> number;
        if (number != wanted) continue;
        while (fields >> word && word != "-") {
        }
        fields >> type >> source >> options;
        if (type != "cgroup") continue;
        for (const char* subsystem : scope_subsystems)
            if (has_option(options, subsystem)) return std::string(subsystem);
    }
    return Error{EINVAL, "a cgroup v1 hierarchy without the pids or freezer controller"};
}

Result<uint32_t> hierarchy_number(const std::string& subsystem, const std::string& proc) {
    auto text = read_file(proc + "/cgroups", proc_limit);
    if (!text) return std::move(text).error();
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name;
        uint32_t number = 0;
        if (fields >> name >> number && name == subsystem) return number;
    }
    return Error{EINVAL, "no hierarchy for the controller " + subsystem};
}

bool owns_one_above(const CgroupPlace& place, uid_t uid) {
    return std::ranges::any_of(place.above, [uid](const auto& above) { return above.owner == uid; });
}

Result<UniqueFd> peer_pidfd(int socket) {
    int raw = -1;
    socklen_t size = sizeof raw;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &raw, &size) < 0)
        return errno_error("look at the process that made the connection");
    return UniqueFd(raw);
}

}  // namespace

Result<bpf::ScopeRoot> claim_cgroup(int directory, uid_t peer_uid, const CgroupPlace* place,
                                    const std::string& proc) {
    struct stat st {};
    struct statfs fs {};
    if (::fstat(directory, &st) < 0 || ::fstatfs(directory, &fs) < 0)
        return errno_error("the cgroup directory");
    bool v2 = fs.f_type == CGROUP2_SUPER_MAGIC;
    if (!S_ISDIR(st.st_mode) || (!v2 && fs.f_type != CGROUP_SUPER_MAGIC))
        return Error{ENOTDIR, "the descriptor is not a cgroup directory"};
    if (peer_uid != 0 && st.st_uid != peer_uid &&
        (!v2 || st.st_uid == 0 || place == nullptr || !owns_one_above(*place, peer_uid)))
        return Error{EACCES, "uid " + std::to_string(peer_uid) +
                                 " owns neither the cgroup nor one above it (its owner is uid " +
                                 std::to_string(st.st_uid) + ")"};
    if (st.st_ino == 1) return Error{EPERM, "the root of a hierarchy is not a container's cgroup"};
    bpf::ScopeRoot root{st.st_ino, 0, {}};
    if (place != nullptr)
        for (const auto& above : place->above) root.above.push_back(above.id);
    if (v2) return root;
    auto subsystem = subsystem_of_device(st.st_dev, proc);
    if (!subsystem) return std::move(subsystem).error();
    auto number = hierarchy_number(*subsystem, proc);
    if (!number) return std::move(number).error();
    root.hierarchy = *number;
    return root;
}

Status peer_lives(int socket, pid_t pid, const std::string& proc) {
    const auto pidfd = peer_pidfd(socket);
    if (!pidfd) {
        const int code = pidfd.error().code;
        if (code == ENOPROTOOPT) return {};
        if (code == EMFILE || code == ENFILE || code == ENOMEM) return pidfd.error();
        return Error{ESRCH, "the process that made the connection has ended"};
    }
    auto found = pid_of_pidfd(pidfd->get(), proc);
    pollfd ended{pidfd->get(), POLLIN, 0};  // one that nobody has waited for has ended, too
    if (found && *found == static_cast<uint32_t>(pid) && ::poll(&ended, 1, 0) == 0) return {};
    return Error{ESRCH, "the process that made the connection has ended"};
}

UniqueFd pidfd_of_peer(int socket, pid_t pid) {
    auto pidfd = peer_pidfd(socket);
    if (!pidfd && pidfd.error().code == ENOPROTOOPT) pidfd = open_pidfd(pid);
    return std::move(pidfd).value_or(UniqueFd());
}

Result<uint32_t> pid_of_pidfd(int pidfd, const std::string& proc) {
    auto text = read_file(proc + "/self/fdinfo/" + std::to_string(pidfd), proc_limit);
    if (!text) return std::move(text).error();
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("Pid:\t", 0) != 0) continue;
        int pid = 0;
        std::from_chars(line.data() + 5, line.data() + line.size(), pid);
        if (pid > 0) return static_cast<uint32_t>(pid);
        return Error{ESRCH, "the container's process has ended or cannot be seen from here"};
    }
    return Error{EINVAL, "the descriptor is not a pidfd"};
}

}  // namespace spoor::broker
