#include "shim/recorder/task_inbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>
#include <tuple>

#include "base/files.h"

namespace spoor {
namespace {

constexpr size_t look_max = 16 * 1024;  // names of one look
constexpr size_t stuck_max = 1024;
constexpr size_t reads_max = 64;  // of the kernel's queue in one turn, if it has no name for us

bool is_signal_name(std::string_view name) { return name.ends_with(".json") && !name.starts_with('.'); }

// As a warning shows it: names are the container's.
std::string quoted(const std::string& name) {
    std::string text = "agent/";
    for (char c : name.substr(0, 200)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return text;
}

bool is_fresh(const struct stat& st, std::chrono::milliseconds for_at_most) {
    using namespace std::chrono;
    const auto changed = seconds(st.st_ctim.tv_sec) + nanoseconds(st.st_ctim.tv_nsec);
    const auto age = system_clock::now().time_since_epoch() - changed;
    return age >= age.zero() && age < for_at_most;
}

}  // namespace

Result<TaskInbox> TaskInbox::open(int agent, UniqueFd inotify, std::chrono::milliseconds writing_max) {
    UniqueFd directory(::openat(agent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return errno_error("agent/");
    if (!inotify) inotify.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const std::string path = "/proc/self/fd/" + std::to_string(directory.get());
    constexpr uint32_t wanted = IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    if (inotify && ::inotify_add_watch(inotify.get(), path.c_str(), wanted) >= 0)
        return TaskInbox(std::move(directory), std::move(inotify), "", writing_max);

    const Error why = errno_error(inotify ? "inotify_add_watch" : "inotify_init1");
    UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer) return errno_error("timerfd_create");
    constexpr timespec interval{0, std::chrono::nanoseconds(look_interval).count()};
    const itimerspec times{interval, interval};
    if (::timerfd_settime(timer.get(), 0, &times, nullptr) < 0) return errno_error("timerfd_settime");
    return TaskInbox(std::move(directory), std::move(timer), why.message, writing_max);
}

bool TaskInbox::read_events(const Handlers& handlers) {
    alignas(inotify_event) char buffer[64 * 1024];
    const ssize_t got = ::read(events_.get(), buffer, sizeof buffer);
    if (!why_by_clock_.empty()) {
        look_ = got > 0;
        return look_;
    }
    for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= got;) {
        inotify_event event;
        std::memcpy(&event, buffer + at, sizeof event);
        if (event.mask & IN_Q_OVERFLOW) look_ = true;
        if (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF))
            handlers.warn("agent/ was moved or removed: signals in a new one are not seen");
        if (event.len > 0 && (event.mask & (IN_MOVED_TO | IN_CLOSE_WRITE))) {
            std::string name(buffer + at + sizeof event);
            if (is_signal_name(name)) names_.push_back(std::move(name));
        }
        at += static_cast<ssize_t>(sizeof event + event.len);
    }
    return got > 0;
}

void TaskInbox::look(const Handlers& handlers) {
    look_ = false;
    UniqueFd fd(::openat(agent_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::unique_ptr<DIR, int (*)(DIR*)> stream(fd ? ::fdopendir(fd.get()) : nullptr, ::closedir);
    if (!stream) return handlers.warn(errno_error("agent/").message);
    static_cast<void>(fd.release());
    std::vector<std::tuple<int64_t, int64_t, std::string>> found;
    while (dirent* entry = ::readdir(stream.get())) {
        if (!is_signal_name(entry->d_name)) continue;
        struct stat st {};
        if (::fstatat(agent_.get(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
        if (stuck_.contains({st.st_dev, st.st_ino})) continue;
        found.emplace_back(st.st_ctim.tv_sec, st.st_ctim.tv_nsec, entry->d_name);
        if (found.size() < look_max) continue;
        look_ = true;  // the rest when these are gone
        break;
    }
    std::sort(found.begin(), found.end());
    for (auto& [seconds, nanoseconds, name] : found) names_.push_back(std::move(name));
}

bool TaskInbox::take(size_t most, const Handlers& handlers) {
    for (size_t taken = 0; taken < most; ++taken) {
        // Looking comes first: what has not been told of is older than what will be.
        if (names_.empty() && look_) look(handlers);
        for (size_t read = 0; names_.empty() && !look_ && read_events(handlers); ++read)
            if (read == reads_max) return true;
        if (names_.empty() && look_) continue;
        if (names_.empty()) return false;
        const std::string name = std::move(names_.front());
        names_.pop_front();
        take_file(name, handlers);
    }
    return true;
}

void TaskInbox::take_all(const Handlers& handlers) {
    look_ = last_ = true;
    // Bounded, since others may go on putting files there.
    take(4 * look_max, handlers);
}

Result<TaskSignal> TaskInbox::read_signal(const std::string& name, Found& found) {
    // Without opening what it stands for: a device's open may do something.
    UniqueFd fd(::openat(agent_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno_error("open");
    struct stat st {};
    if (::fstat(fd.get(), &st) < 0) return errno_error("fstat");
    found = {S_ISDIR(st.st_mode), is_fresh(st, writing_max_)};
    if (stuck_.contains({st.st_dev, st.st_ino})) return Error{ENOENT, "taken already"};
    if (!S_ISREG(st.st_mode)) return Error{EINVAL, "it is no regular file"};
    if (st.st_size > static_cast<off_t>(task_signal_bytes_max))
        return Error{EFBIG, "it is larger than " + std::to_string(task_signal_bytes_max >> 20) + " MiB"};
    auto file = open_file("/proc/self/fd/" + std::to_string(fd.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file) return errno_error("it cannot be read", file.error().code);
    auto text = read_fd(file->get(), task_signal_bytes_max);
    if (!text) return std::move(text).error();
    return parse_task_signal(*text);
}

void TaskInbox::take_file(const std::string& name, const Handlers& handlers) {
    Found found;
    auto signal = read_signal(name, found);
    // Told of twice, or its writer took it back.
    if (!signal && signal.error().code == ENOENT) return;
    if (!signal && !why_by_clock_.empty() && found.is_fresh && !last_) return;
    if (signal)
        handlers.signal(std::move(*signal));
    else
        handlers.warn(quoted(name) + " was refused: " + signal.error().message);
    remove(name, found.is_directory, handlers);
}

void TaskInbox::remove(const std::string& name, bool is_directory, const Handlers& handlers) {
    if (::unlinkat(agent_.get(), name.c_str(), is_directory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
        return;
    handlers.warn(errno_error(quoted(name) + " cannot be removed").message);
    struct stat st {};
    if (::fstatat(agent_.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && stuck_.size() < stuck_max)
        stuck_.insert({st.st_dev, st.st_ino});
}

}  // namespace spoor
