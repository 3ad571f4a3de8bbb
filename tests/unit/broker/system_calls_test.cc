// The filter is tried in children: there is no way back from it.
#include "shim/broker/system_calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>

namespace spoor::broker {
namespace {

constexpr int no_filter = 126;

// The wait status of a child that does `body` behind the filter and exits with what it returns.
int behind_the_filter(const std::function<int()>& body, Status (*filter)() = keep_needed_system_calls_only) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !filter()) ::_exit(no_filter);
        // Not _exit(2), ahead of which the address sanitizer opens a file.
        ::syscall(SYS_exit_group, static_cast<long>(body()));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

void expect_exit(int code, const std::function<int()>& body,
                 Status (*filter)() = keep_needed_system_calls_only) {
    const int status = behind_the_filter(body, filter);
    EXPECT_TRUE(WIFEXITED(status)) << "killed by " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), code);
}

void expect_death(const std::function<int()>& body) {
    const int status = behind_the_filter(body);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exited with " << WEXITSTATUS(status);
    EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(SystemCalls, WhatIsNeededWorks) {
    expect_exit(0, [] {
        const int file = ::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        char byte = 0;
        if (file < 0 || ::read(file, &byte, 1) != 1 || ::close(file) != 0) return 1;
        void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return page == MAP_FAILED ? 2 : 0;
    });
}

TEST(SystemCalls, OthersAreRefused) {
    expect_exit(EPERM, [] { return ::socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0; });
    expect_exit(EPERM, [] { return ::chown("/", 0, 0) < 0 ? errno : 0; });
    expect_exit(EPERM, [] { return ::kill(::getppid(), 0) < 0 ? errno : 0; });
    expect_exit(EPERM, [] {
        void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return page == MAP_FAILED ? errno : 0;
    });
    expect_exit(EPERM, [] { return ::syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, nullptr, 0) < 0 ? errno : 0; });
    expect_exit(EPERM, [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0 ? errno : 0; });
}

TEST(SystemCalls, WhatOnlyAnIntruderDoesIsTheEnd) {
    expect_death([] {
        char* const nothing[] = {nullptr};
        ::execve("/bin/true", nothing, nothing);
        return 0;
    });
    expect_death([] { return static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, nullptr, 0)); });
    expect_death([] { return static_cast<int>(::syscall(SYS_ptrace, 0, 0, 0, 0)); });
}

TEST(SystemCalls, AGatekeeperOpensNothing) {
    const auto behind = keep_gatekeepers_system_calls_only;
    expect_exit(
        EPERM, [] { return ::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0; }, behind);
    expect_exit(
        EPERM, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0; }, behind);
    expect_exit(
        EPERM, [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0 ? errno : 0; }, behind);
    expect_exit(
        EPERM, [] { return ::kill(::getpid(), 0) < 0 ? errno : 0; }, behind);
    expect_exit(
        EPERM, [] { return ::syscall(SYS_pidfd_send_signal, 0L, long{SIGKILL}, 0L, 0L) < 0 ? errno : 0; },
        behind);
    expect_exit(
        EPERM,
        [] {
            struct stat st {};
            return ::stat("/", &st) < 0 ? errno : 0;
        },
        behind);
    expect_exit(
        EBADF, [] { return ::syscall(SYS_pidfd_send_signal, 1000L, 0L, 0L, 0L) < 0 ? errno : 0; }, behind);
    expect_exit(
        0,
        [] {
            struct stat st {};
            return ::fstat(0, &st) == 0 && ::close(0) == 0 ? 0 : 1;
        },
        behind);
}

}  // namespace
}  // namespace spoor::broker
