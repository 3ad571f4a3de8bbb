#include "shim/runtime/sweep.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "shim/ipc/control.h"
#include "shim/ipc/job.h"
#include "shim/runtime/environment.h"
#include "signal/session.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

constexpr const char* nobody = "2147483647 1";  // no process has that number

struct Sweep : ::testing::Test {
    // A directory as a spoor leaves it that was killed.
    void leave(const std::string& name) {
        root.write("containers/" + name + "/owner", nobody);
        age(name);
    }
    void age(const std::string& name) const {
        const timespec past[2] = {{1, 0}, {1, 0}};
        ASSERT_EQ(::utimensat(AT_FDCWD, (root / ("containers/" + name)).c_str(), past, 0), 0);
    }
    [[nodiscard]] bool is_there(const std::string& path) const {
        struct stat st {};
        return ::lstat((root / path).c_str(), &st) == 0;
    }
    void sweep() const { sweep_beside(root / "containers/mine"); }

    test::TempDir root;
};

TEST_F(Sweep, WhatADeadSpoorLeft) {
    leave("c");
    root.write("volumes/c/agent/x", "");
    root.write("volumes/other/x", "");
    sweep();
    EXPECT_FALSE(is_there("containers/c"));
    EXPECT_FALSE(is_there("volumes/c")) << "no session began there";
    EXPECT_TRUE(is_there("volumes/other"));
}

// As the poststop hook of a container that its recorder has already cleared away.
TEST_F(Sweep, OnceAMinuteByTheHook) {
    const auto hook = [this] {
        const pid_t child = ::fork();
        if (child == 0) {
            const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
            ::dup2(null, STDIN_FILENO);
            ::execl(SPOOR_PROGRAM, "spoor", "hook", "poststop", "--state", (root / "containers/mine").c_str(),
                    "--deadline-ms", "1000", nullptr);
            ::_exit(127);
        }
        int status = -1;
        ::waitpid(child, &status, 0);
        return status;
    };
    leave("a");
    const timespec long_ago[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, root.path().c_str(), long_ago, 0), 0);
    EXPECT_EQ(hook(), 0);
    EXPECT_FALSE(is_there("containers/a"));
    leave("b");
    EXPECT_EQ(hook(), 0);
    EXPECT_TRUE(is_there("containers/b"));
}

TEST_F(Sweep, EmptyVolumesOfNobody) {
    const auto make = [this](const std::string& name) {
        for (const char* part : {"/trace", "/agent"})
            ASSERT_TRUE(make_directories(root / ("volumes/" + name + part), 0755));
        const timespec past[2] = {{1, 0}, {1, 0}};
        ASSERT_EQ(::utimensat(AT_FDCWD, (root / ("volumes/" + name)).c_str(), past, 0), 0);
    };
    for (const char* name : {"empty", "used", "signalled", "current"}) make(name);
    root.write("volumes/used/trace/session.json", "{}");
    root.write("volumes/signalled/agent/x.json", "{}");
    root.write("containers/current/owner", process_identity(::getpid()));
    sweep();
    EXPECT_FALSE(is_there("volumes/empty"));
    EXPECT_TRUE(is_there("volumes/used/agent"));
    EXPECT_TRUE(is_there("volumes/signalled/agent/x.json"));
    EXPECT_TRUE(is_there("volumes/current/trace"));
}

TEST_F(Sweep, AKilledRecordersReadersAreTold) {
    leave("c");
    Job job;
    job.container_id = "c";
    job.state_dir = root / "containers/c";
    job.volume_dir = root / "volumes/c";
    job.mode = "warn";
    job.broker_socket = "/s";
    job.on_unavailable = "run";
    root.write("containers/c/job.json", to_json(job));
    root.write("containers/c/recorder", nobody);
    age("c");
    root.write("volumes/c/agent/x", "");
    Session session;
    session.container_id = "c";
    session.state = SessionState::tracing;
    ASSERT_TRUE(make_directories(root / "volumes/c/trace", 0755));
    const auto trace = open_file(root / "volumes/c/trace", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(write_session(trace->get(), session));
    sweep();
    EXPECT_FALSE(is_there("containers/c"));
    const auto told = read_session(trace->get());
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(told->state, SessionState::degraded);
    EXPECT_EQ(told->reasons, std::vector<std::string>{"the recorder ended before the container"});
}

TEST_F(Sweep, WhatSomebodyHasStays) {
    leave("new");
    ASSERT_EQ(::utimensat(AT_FDCWD, (root / "containers/new").c_str(), nullptr, 0), 0);
    leave("owned");
    root.write("containers/owned/owner", process_identity(::getpid()));
    leave("recorded");
    root.write("containers/recorded/recorder", process_identity(::getpid()));
    leave("listening");
    const auto recorder = listen_control(root / "containers/listening");
    ASSERT_TRUE(recorder);
    leave("bundle");
    root.write("containers/bundle/bundle/config.json", "{}");
    for (const char* name : {"owned", "recorded", "listening", "bundle"}) age(name);
    sweep();
    for (const char* name : {"new", "owned", "recorded", "listening", "bundle"})
        EXPECT_TRUE(is_there(std::string("containers/") + name)) << name;
}

TEST_F(Sweep, OnlyWhereStateDirectoriesAre) {
    leave("c");
    sweep_beside(root / "elsewhere/mine");
    sweep_beside("mine");
    sweep_beside("/mine");
    EXPECT_TRUE(is_there("containers/c"));
}

}  // namespace
}  // namespace spoor
