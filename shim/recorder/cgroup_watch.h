// Waits for a container's cgroup, of version 2, and for its first process in it: by inotify(7), which tells
// of a new directory and of a cgroup.events that changes, and by pidfds of those that prepare the container
// (a user namespace takes a process that makes the namespaces and forks the first one into them).
//
// Finding nothing is no error: the createRuntime hook will tell who the process is.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

class CgroupWatch {
public:
    // `cgroup`: its directory, which need not be there, in one that is. What look() waits for is added to
    // `epoll`, which stays the caller's.
    static Result<CgroupWatch> begin(int epoll, const std::string& cgroup,
                                     std::function<bool(pid_t)> is_container_init);

    // The container's first process, if it is there and alone. To be called at once, and when `epoll` tells.
    std::optional<pid_t> look();
    // Nothing is watched any more.
    void stop();
    // After stop(), once: the cgroup's directory, if it was found.
    [[nodiscard]] UniqueFd take_directory() { return std::move(directory_); }
    // After stop(), once: the inotify descriptor, without watches, for somebody else. A user has few of them,
    // and closing one takes the kernel some ten milliseconds.
    [[nodiscard]] UniqueFd take_inotify() { return std::move(inotify_); }

private:
    CgroupWatch(int epoll, std::string cgroup, std::function<bool(pid_t)> is_container_init, UniqueFd inotify,
                int above);
    bool open_directory();
    bool wait_for_end_of(pid_t pid);

    int epoll_;
    std::string cgroup_;
    std::function<bool(pid_t)> is_container_init_;
    UniqueFd inotify_;
    int watches_[2];  // on the directory above, and cgroup.events
    UniqueFd directory_;
    UniqueFd preparing_;  // pidfd of a process that is not the container's first one
};

// The processes of the cgroup whose directory this is, as cgroup.procs has them; none if that cannot be read.
[[nodiscard]] std::vector<pid_t> processes_in(int cgroup);

}  // namespace spoor
