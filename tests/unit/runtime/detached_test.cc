#include "shim/runtime/detached.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/files.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::HasSubstr;

// Everything a process writes until it has closed its end.
std::string read_all(int fd) {
    auto text = read_fd(fd, 1 << 20);
    return text ? *text : "";
}

struct Pipe {
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
    UniqueFd read;
    UniqueFd write;
};

// Runs a shell script whose descriptor 3 comes back as text.
std::string run(const std::string& script) {
    Pipe pipe;
    auto process = start_detached({"/bin/sh", {"-c", "exec >&3; " + script}, {"MARK=1"}, {pipe.write.get()}});
    EXPECT_TRUE(process);
    EXPECT_TRUE(process->confirm(10'000));
    pipe.write.reset();
    return read_all(pipe.read.get());
}

TEST(Detached, HasOnlyTheDescriptorsItWasGiven) {
    // Without O_CLOEXEC, as conmon's are.
    const UniqueFd leaked(::open("/dev/zero", O_RDONLY));  // NOLINT(android-cloexec-open)
    ASSERT_EQ(::fcntl(leaked.get(), F_DUPFD, 200), 200);
    EXPECT_EQ(run("i=0; while [ $i -lt 256 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done"),
              "0\n1\n2\n3\n");
    ::close(200);
    EXPECT_EQ(run("readlink /proc/$$/fd/0 /proc/$$/fd/2"), "/dev/null\n/dev/null\n");
}

TEST(Detached, KeepsTheirOrder) {
    const test::TempDir dir;
    const UniqueFd first(::open(dir.write("first", "1").c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd second(::open(dir.write("second", "2").c_str(), O_RDONLY | O_CLOEXEC));
    Pipe pipe;
    // Numbers that collide with those they shall get.
    auto process = start_detached(
        {"/bin/sh", {"-c", "cat <&4 >&5; cat <&3 >&5"}, {}, {second.get(), first.get(), pipe.write.get()}});
    ASSERT_TRUE(process);
    ASSERT_TRUE(process->confirm(10'000));
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), "12");
}

TEST(Detached, IsIndependentOfTheCaller) {
    const mode_t umask_before = ::umask(077);
    struct sigaction ignore {};
    struct sigaction before {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    sigset_t blocked;
    sigset_t mask_before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &blocked, &mask_before);

    const std::string status =
        run("grep -E '^Sig(Ign|Blk)' /proc/self/status; pwd; umask; echo $MARK; env | wc -l;"
            "cut -d' ' -f6 /proc/$$/stat; echo $$");
    ::sigprocmask(SIG_SETMASK, &mask_before, nullptr);
    ::sigaction(SIGPIPE, &before, nullptr);
    ::umask(umask_before);

    EXPECT_THAT(status, HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n/\n0022\n1\n"));
    // The session is its own.
    const size_t end = status.rfind('\n', status.size() - 2);
    const size_t begin = status.rfind('\n', end - 1) + 1;
    EXPECT_EQ(status.substr(begin, end - begin), status.substr(end + 1, status.size() - end - 2));
}

TEST(Detached, LeavesNoChildAndNoSignal) {
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &blocked, &before);
    run("true");
    sigset_t pending;
    ::sigpending(&pending);
    EXPECT_FALSE(sigismember(&pending, SIGCHLD));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
    EXPECT_EQ(errno, ECHILD);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

TEST(Detached, AProgramThatCannotStartIsTold) {
    auto missing = start_detached({"/nonexistent", {}, {}, {}});
    ASSERT_TRUE(missing);
    EXPECT_EQ(missing->confirm(10'000).error().code, ENOENT);
    auto forbidden = start_detached({"/etc/passwd", {}, {}, {}});
    ASSERT_TRUE(forbidden);
    EXPECT_EQ(forbidden->confirm(10'000).error().code, EACCES);
}

TEST(Detached, TellsItsPid) {
    Pipe pipe;
    auto process = start_detached({"/bin/sh", {"-c", "echo $$ >&3"}, {}, {pipe.write.get()}});
    ASSERT_TRUE(process);
    const auto pid = process->confirm(10'000);
    ASSERT_TRUE(pid);
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), std::to_string(*pid) + "\n");
}

TEST(Detached, AFunctionInThePlaceOfAProgram) {
    Pipe pipe;
    ASSERT_TRUE(start_detached({pipe.write.get()}, [] { (void)write_all(3, "done"); }));
    pipe.write.reset();
    EXPECT_EQ(read_all(pipe.read.get()), "done");
}

}  // namespace
}  // namespace spoor
