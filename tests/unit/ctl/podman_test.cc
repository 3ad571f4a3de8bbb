#include "shim/ctl/podman.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/files.h"
#include "support.h"

namespace spoor::ctl {
namespace {

using testing::Contains;
using testing::Not;

class Podman : public InDirectory {
protected:
    Podman() {
        options.podman = "/usr/bin/podman";
        options.runtime = "/usr/bin/spoor";
        options.command = {"make", "all"};
        host.pids_controller = true;
        host.systemd = true;
        host.view.read_only = {"/usr", "/etc"};
    }

    std::vector<std::string> command() {
        auto made = podman_command(options, host, "/volume", "/skeleton");
        EXPECT_TRUE(made) << made.error().message;
        return made.value_or(std::vector<std::string>{});
    }
    // Whether `words` follow each other.
    bool has(const std::vector<std::string>& words) {
        auto all = command();
        return std::search(all.begin(), all.end(), words.begin(), words.end()) != all.end();
    }

    RunOptions options;
    RunHost host;
};

TEST_F(Podman, TheHostIsTheImageByDefault) {
    options.workdir = "/home/u/project";
    EXPECT_TRUE(has({"--runtime", "/usr/bin/spoor", "run", "--rm"}));
    EXPECT_TRUE(has({"-v", "/volume:/run/spoor"}));
    EXPECT_TRUE(has({"-v", "/usr:/usr:ro", "-v", "/etc:/etc:ro"}));
    EXPECT_TRUE(has({"-v", "/home/u/project:/home/u/project", "-w", "/home/u/project"}));
    EXPECT_TRUE(has({"--network", "none"}));
    EXPECT_TRUE(has({"--env", "HOME=/root"}));
    EXPECT_TRUE(has({"--rootfs", "/skeleton:O", "make", "all"}));
    EXPECT_EQ(command().back(), "all");
}

TEST_F(Podman, AnImageBringsItsOwnEnvironmentAndDirectory) {
    options.image = "busybox";
    EXPECT_TRUE(has({"busybox", "make", "all"}));
    EXPECT_FALSE(has({"-v", "/usr:/usr:ro"}));
    EXPECT_FALSE(has({"--env", "HOME=/root"}));
    EXPECT_THAT(command(), Not(Contains("-w")));
    EXPECT_THAT(command(), Not(Contains("--rootfs")));
}

TEST_F(Podman, ARootDirectoryIsNotChanged) {
    options.rootfs = "/srv/root";
    EXPECT_TRUE(has({"--rootfs", "/srv/root:O", "make"}));
}

TEST_F(Podman, WhatTheUserSaysComesLast) {
    options.environment = {"HOME=/elsewhere"};
    options.podman_arguments = {"--user=1000"};
    auto all = command();
    auto ours = std::find(all.begin(), all.end(), "HOME=/root");
    auto theirs = std::find(all.begin(), all.end(), "HOME=/elsewhere");
    EXPECT_LT(ours, theirs);
    EXPECT_TRUE(has({"--user=1000", "--rootfs"}));
}

TEST_F(Podman, AdaptsToTheHost) {
    EXPECT_THAT(command(), Not(Contains("--cgroup-manager=cgroupfs")));
    EXPECT_THAT(command(), Not(Contains("--pids-limit")));
    EXPECT_THAT(command(), Not(Contains("--ulimit")));
    EXPECT_THAT(command(), Contains("-i"));
    host = RunHost{};
    host.limits = {"nofile=10:20"};
    host.terminal = true;
    EXPECT_THAT(command(), Contains("--cgroup-manager=cgroupfs"));
    EXPECT_TRUE(has({"--pids-limit", "-1"}));
    EXPECT_TRUE(has({"--ulimit", "nofile=10:20"}));
    EXPECT_THAT(command(), Contains("-it"));
}

TEST_F(Podman, RefusesPathsThatPodmanWouldSplit) {
    options.workdir = "/home/a:b";
    EXPECT_FALSE(podman_command(options, host, "/volume", "/skeleton"));
    options.workdir.clear();
    EXPECT_FALSE(podman_command(options, host, "/vol:ume", "/skeleton"));
    options.rootfs = "/a:b";
    EXPECT_FALSE(podman_command(options, host, "/volume", "/skeleton"));
}

TEST_F(Podman, TheSkeletonIsOpenToAllWhateverTheUmask) {
    host.view.links = {{"bin", "usr/bin"}};
    mode_t before = ::umask(077);
    auto made = make_skeleton(root, host.view);
    ::umask(before);
    ASSERT_TRUE(made) << made.error().message;
    struct stat st {};
    for (const char* name : {"usr", "etc", "proc", "dev", "run", "var", "home"}) {
        ASSERT_EQ(::stat((root + "/" + name).c_str(), &st), 0) << name;
        EXPECT_EQ(st.st_mode & 07777, 0755u) << name;
    }
    ASSERT_EQ(::stat((root + "/tmp").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 01777u);
    char target[32] = {};
    EXPECT_EQ(::readlink((root + "/bin").c_str(), target, sizeof target), 7);
}

TEST_F(Podman, ExitCodesAreAShells) {
    EXPECT_EQ(run_program({"/bin/sh", "-c", "exit 7"}, false).value_or(-1), 7);
    EXPECT_EQ(run_program({"/bin/sh", "-c", "kill -9 $$"}, false).value_or(-1), 137);
    EXPECT_FALSE(run_program({root + "/missing"}, false));
}

TEST_F(Podman, TheProgramHasTheSignalsThatTheCallerHad) {
    ::signal(SIGPIPE, SIG_IGN);
    auto script =
        "grep -q '^SigBlk:.*0000000000000000$' /proc/self/status && "
        "grep -Eq '^SigIgn:.*[02468ace]...$' /proc/self/status";
    EXPECT_EQ(run_program({"/bin/sh", "-c", script}, false).value_or(-1), 0);
    ::signal(SIGPIPE, SIG_DFL);
}

TEST_F(Podman, StandardOutputCanBeKeptFree) {
    int out = ::fcntl(1, F_DUPFD_CLOEXEC, 0), err = ::fcntl(2, F_DUPFD_CLOEXEC, 0);
    int captured = ::open((root + "/out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int captured_error = ::open((root + "/err").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ::dup2(captured, 1);
    ::dup2(captured_error, 2);
    auto code = run_program({"/bin/sh", "-c", "echo to-stdout"}, true);
    ::dup2(out, 1);
    ::dup2(err, 2);
    for (int fd : {out, err, captured, captured_error}) ::close(fd);
    EXPECT_EQ(code.value_or(-1), 0);
    EXPECT_EQ(read_file(root + "/out", 100).value_or("?"), "");
    EXPECT_EQ(read_file(root + "/err", 100).value_or("?"), "to-stdout\n");
}

TEST_F(Podman, ASignalToThisProcessGoesOn) {
    // The program says that its trap is set by making a file; the signal goes to its parent.
    std::string ready = root + "/ready";
    pid_t runner = ::fork();
    if (runner == 0) {
        std::string script = "trap 'exit 42' TERM; : > " + ready + "; while :; do sleep 0.05; done";
        ::_exit(run_program({"/bin/bash", "-c", script}, false).value_or(1));
    }
    while (::access(ready.c_str(), F_OK) != 0) std::this_thread::yield();
    ::kill(runner, SIGTERM);
    int status = 0;
    ASSERT_EQ(::waitpid(runner, &status, 0), runner);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
}

}  // namespace
}  // namespace spoor::ctl
