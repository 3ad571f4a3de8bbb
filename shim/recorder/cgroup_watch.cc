#include "shim/recorder/cgroup_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/epoll.h"
#include "base/files.h"
#include "base/process.h"

namespace spoor {
namespace {

constexpr size_t largest_list = 64 * 1024;
constexpr int looks_max = 3;

}  // namespace

CgroupWatch::CgroupWatch(int epoll, std::string cgroup, std::function<bool(pid_t)> is_container_init,
                         UniqueFd inotify, int above)
    : epoll_(epoll),
      cgroup_(std::move(cgroup)),
      is_container_init_(std::move(is_container_init)),
      inotify_(std::move(inotify)),
      watches_{above, -1} {}

Result<CgroupWatch> CgroupWatch::begin(int epoll, const std::string& cgroup,
                                       std::function<bool(pid_t)> is_container_init) {
    UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify) return errno_error("inotify");
    const std::string above = cgroup.substr(0, cgroup.rfind('/'));
    const int mark = ::inotify_add_watch(inotify.get(), above.c_str(), IN_CREATE | IN_ONLYDIR);
    if (mark < 0) return errno_error(above);
    SPOOR_TRY(watch(epoll, inotify.get()));
    return CgroupWatch(epoll, cgroup, std::move(is_container_init), std::move(inotify), mark);
}

std::optional<pid_t> CgroupWatch::look() {
    char events[4096];
    while (::read(inotify_.get(), events, sizeof events) > 0) {
    }
    preparing_.reset();
    if (!directory_ && !open_directory()) return std::nullopt;
    for (int looks = 0; looks < looks_max; ++looks) {
        const auto processes = processes_in(directory_.get());
        const auto other = std::ranges::find_if_not(processes, is_container_init_);
        if (other == processes.end())
            return processes.size() == 1 ? std::optional(processes.front()) : std::nullopt;
        if (wait_for_end_of(*other)) return std::nullopt;
    }
    return std::nullopt;
}

void CgroupWatch::stop() {
    preparing_.reset();
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, inotify_.get(), nullptr);
    for (int mark : watches_)
        if (mark >= 0) ::inotify_rm_watch(inotify_.get(), mark);
}

// Watched first: a process that comes after we have looked is told of.
bool CgroupWatch::open_directory() {
    auto directory = open_file(cgroup_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) return false;
    const std::string events = cgroup_ + "/cgroup.events";
    watches_[1] = ::inotify_add_watch(inotify_.get(), events.c_str(), IN_MODIFY);
    if (watches_[1] < 0) return false;
    directory_ = std::move(*directory);
    return true;
}

// False: it has ended.
bool CgroupWatch::wait_for_end_of(pid_t pid) {
    auto process = open_pidfd(pid);
    if (!process || !watch(epoll_, process->get())) return false;
    preparing_ = std::move(*process);
    return true;
}

std::vector<pid_t> processes_in(int cgroup) {
    std::vector<pid_t> processes;
    const UniqueFd file(::openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC));
    const auto text = file ? read_fd(file.get(), largest_list) : Result<std::string>(Error{});
    std::istringstream numbers(text.value_or(""));
    for (pid_t pid = 0; numbers >> pid;) processes.push_back(pid);
    return processes;
}

}  // namespace spoor
