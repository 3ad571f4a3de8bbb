#include "shim/recorder/freezer.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string_view>
#include <utility>

namespace spoor {
namespace {

constexpr char held_byte = '1';
constexpr char released_byte = '0';

// The guard: keeps the two descriptors, waits for the other end to close, and thaws if the last word
// was that the container is held. Only async-signal-safe calls: the parent may have threads one day. Nothing
// is left at 1 and 2, or what a library writes there at the end (a sanitizer's does) would be the file's.
[[noreturn]] void guard(int from, int file, std::string_view thaw) {
    constexpr int kept = 3;
    ::dup2(from, 0);
    ::dup2(file, kept);
    ::syscall(SYS_close_range, 1u, 2u, 0u);
    ::syscall(SYS_close_range, unsigned{kept} + 1, ~0u, 0u);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    char last = released_byte;
    while (::read(0, &last, 1) > 0) {
    }
    if (last == held_byte) (void)!::pwrite(kept, thaw.data(), thaw.size(), 0);
    ::_exit(0);
}

}  // namespace

Freezer::~Freezer() { release(); }

Status Freezer::start_guard() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return errno_error("make the freezer's guard");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    // Forked twice: it is nobody's child that would have to be waited for.
    const pid_t child = ::fork();
    if (child < 0) return errno_error("make the freezer's guard");
    if (child == 0) {
        if (::fork() != 0) ::_exit(0);
        guard(theirs.get(), file_.file.get(), file_.thaw);
    }
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    guard_ = std::move(ours);
    return {};
}

Status Freezer::write(bool frozen) const {
    const std::string_view word = frozen ? file_.freeze : file_.thaw;
    if (::pwrite(file_.file.get(), word.data(), word.size(), 0) < 0)
        return errno_error(frozen ? "freeze the container" : "thaw the container");
    return {};
}

Status Freezer::hold() {
    if (holds_) return {};
    char state[16] = {};
    if (::pread(file_.file.get(), state, sizeof state - 1, 0) < 0)
        return errno_error("read the freezer's state");
    if (!std::string_view(state).starts_with(file_.thaw)) return {};
    if (!guard_) SPOOR_TRY(start_guard());
    // The guard first: from here on our death thaws.
    if (::send(guard_.get(), &held_byte, 1, MSG_NOSIGNAL) != 1)
        return errno_error("tell the freezer's guard");
    if (auto frozen = write(true); !frozen) {
        (void)!::send(guard_.get(), &released_byte, 1, MSG_NOSIGNAL);
        return frozen;
    }
    holds_ = true;
    ++count_;
    since_ = std::chrono::steady_clock::now();
    return {};
}

void Freezer::release() {
    if (!std::exchange(holds_, false)) return;
    // ENODEV: the cgroup has gone, and with it what was frozen. Anything else the guard tries again.
    const bool thawed = write(false).has_value() || errno == ENODEV;
    if (thawed)
        (void)!::send(guard_.get(), &released_byte, 1, MSG_NOSIGNAL);
    else
        guard_.reset();
    duration_ += std::chrono::steady_clock::now() - since_;
}

}  // namespace spoor
