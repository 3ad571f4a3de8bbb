#include "shim/runtime/detached.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>

#include "shim/runtime/read_pipe.h"

namespace spoor {
namespace {

constexpr int first_descriptor = 3;
// Where descriptors wait while 3, 4, … are being cleared for them.
constexpr int parking = 64;

// fork(2) whose child does not raise SIGCHLD: a signal of spoor's own child, blocked and pending,
// would be met by the wrapped runtime after execve.
pid_t quiet_fork() { return static_cast<pid_t>(::syscall(SYS_clone, 0, nullptr, nullptr, nullptr, nullptr)); }

void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_from(unsigned int first) {
    if (::syscall(SYS_close_range, first, ~0u, 0) == 0) return;
    // Refused by a seccomp filter, or an old kernel.
    const long limit = ::sysconf(_SC_OPEN_MAX);
    for (long fd = first; fd < (limit > 0 ? limit : 65536); ++fd) ::close(static_cast<int>(fd));
}

// Puts `descriptors` on 3, 4, … and closes the others. Called in the new process only; on failure
// there is nobody to tell but the exit code.
bool arrange_descriptors(const std::vector<int>& descriptors) {
    std::vector<int> parked;
    for (const int fd : descriptors) {
        const int copy = ::fcntl(fd, F_DUPFD, parking);
        if (copy < 0) return false;
        parked.push_back(copy);
    }
    int next = first_descriptor;
    for (const int fd : parked)
        if (::dup2(fd, next++) < 0) return false;
    close_from(static_cast<unsigned int>(next));

    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return false;
    for (int fd = 0; fd < first_descriptor; ++fd)
        if (::dup2(null, fd) < 0) return false;
    ::close(null);
    return true;
}

void become_independent() {
    ::setsid();
    reset_signals();
    ::umask(022);
    if (::chdir("/") != 0) ::_exit(127);
}

// For the process between: it ends with an errno or 0.
Status wait_for(pid_t between) {
    int status = 0;
    // __WALL: a child without an exit signal is not found otherwise.
    while (::waitpid(between, &status, __WALL) < 0)
        if (errno != EINTR) return errno_error("wait for the fork");
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return errno_error("fork", WEXITSTATUS(status));
    return {};
}

// Runs `work` in a grandchild. Returns in the caller once the process between them has ended.
Status double_fork(const std::function<void()>& work) {
    const pid_t between = quiet_fork();
    if (between < 0) return errno_error("fork");
    if (between == 0) {
        const pid_t process = quiet_fork();
        if (process != 0) ::_exit(process < 0 ? errno : 0);
        work();
        ::_exit(0);
    }
    return wait_for(between);
}

// The same for work that ends in execve, and quicker: it runs in this process's memory, which is not copied,
// while this process stands still (CLONE_VFORK of clone(2)). No exit signal here either.
class BorrowedMemory {
public:
    explicit BorrowedMemory(const std::function<void()>& work) : work_(work) {}

    Status run() {
        // To return from the function is to end the process.
        const pid_t between = spawn(0, [](void* self) -> int {
            const pid_t process = static_cast<BorrowedMemory*>(self)->spawn(1, [](void* same) -> int {
                static_cast<BorrowedMemory*>(same)->work_();
                return 0;
            });
            return process < 0 ? errno : 0;
        });
        if (between < 0) return errno_error("fork");
        return wait_for(between);
    }

private:
    pid_t spawn(size_t level, int (*function)(void*)) {
        return ::clone(function, stacks_.get() + (level + 1) * stack_bytes, CLONE_VM | CLONE_VFORK, this);
    }

    static constexpr size_t stack_bytes = 64 * 1024;  // a multiple of 16
    const std::function<void()>& work_;
    std::unique_ptr<std::byte[]> stacks_ = std::make_unique_for_overwrite<std::byte[]>(2 * stack_bytes);
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (auto& text : strings) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

}  // namespace

Result<int> Detached::confirm(int deadline_ms) {
    int words[2] = {0, 0};  // pid, and errno if execve failed
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    const auto [text, in_time] = read_pipe(status_.get(), end, sizeof words);
    const size_t size = text.copy(reinterpret_cast<char*>(words), sizeof words);
    if (!in_time) {
        // It lives, as it still has the pipe, and nobody reckons with it any more.
        if (size >= sizeof words[0]) ::kill(words[0], SIGKILL);
        return Error{ETIMEDOUT, "it did not start in time"};
    }
    if (size == sizeof words) return errno_error("execute it", words[1]);
    if (size < sizeof words[0]) return Error{0, "it ended before it began"};
    return words[0];
}

Result<Detached> start_detached(const DetachedProgram& program) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
    UniqueFd read_end(ends[0]);
    const UniqueFd write_end(ends[1]);

    // All memory is taken before the fork.
    std::vector<std::string> argument_text{program.program};
    argument_text.insert(argument_text.end(), program.arguments.begin(), program.arguments.end());
    auto environment_text = program.environment;
    const auto arguments = pointers(argument_text);
    const auto environment = pointers(environment_text);
    auto descriptors = program.descriptors;
    const int status = first_descriptor + static_cast<int>(descriptors.size());
    descriptors.push_back(write_end.get());

    const std::function<void()> execute = [&] {
        if (!arrange_descriptors(descriptors)) return;
        ::fcntl(status, F_SETFD, FD_CLOEXEC);
        become_independent();
        const int pid = ::getpid();
        if (::write(status, &pid, sizeof pid) != sizeof pid) return;
        ::execve(program.program.c_str(), arguments.data(), environment.data());
        const int problem = errno;
        if (::write(status, &problem, sizeof problem) != sizeof problem) return;
    };
    SPOOR_TRY(BorrowedMemory(execute).run());
    return Detached(std::move(read_end));
}

Status start_detached(const std::vector<int>& descriptors, const std::function<void()>& work) {
    return double_fork([&] {
        if (!arrange_descriptors(descriptors)) return;
        become_independent();
        work();
    });
}

}  // namespace spoor
