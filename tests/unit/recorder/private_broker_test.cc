// What needs privileges is skipped without them; the programs started here are shell scripts.
#include "shim/ipc/private_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/capability.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/recorder/fake_spoord.h"

namespace spoor::broker {
namespace {

using test::TempDir;
using ::testing::HasSubstr;

Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::minutes(1); }

bool may_trace() {
    cap_flag_value_t bpf = CAP_CLEAR, perfmon = CAP_CLEAR;
    cap_t own = ::cap_get_proc();
    ::cap_get_flag(own, CAP_BPF, CAP_EFFECTIVE, &bpf);
    ::cap_get_flag(own, CAP_PERFMON, CAP_EFFECTIVE, &perfmon);
    ::cap_free(own);
    auto map = read_file("/proc/self/uid_map", 4096);
    return bpf == CAP_SET && perfmon == CAP_SET && map && map->find("4294967295") != std::string::npos;
}

struct PrivateBrokerTest : ::testing::Test {
    PrivateBrokerTest() {
        job.state_dir = root / "containers/c1";
        job.broker_socket = root / "system.sock";
        job.broker_program = root / "broker";
    }
    void write_program(const std::string& body) {
        std::ofstream(job.broker_program) << "#!/bin/sh\n" << body;
        ::chmod(job.broker_program.c_str(), 0755);
    }
    // One that has written its number, or is about to; what it would write later would keep the directory.
    void kill_program() const {
        const auto end = soon();
        while (!read("broker.pid").ends_with('\n') && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        int pid = 0;
        std::istringstream(read("broker.pid")) >> pid;
        ASSERT_GT(pid, 1);
        ::kill(pid, SIGKILL);
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        return read_file(root / name, 65536).value_or("");
    }

    TempDir root;
    Job job;
};

TEST(StateRoot, IsTwoAboveTheStateDirectory) {
    Job job;
    job.state_dir = "/run/spoor/containers/c1";
    EXPECT_EQ(state_root_of(job), "/run/spoor");
    job.state_dir = "/run/spoor/containers/c1/";
    EXPECT_EQ(state_root_of(job), "/run/spoor");
    job.state_dir = "/c/d";
    EXPECT_EQ(state_root_of(job), "/");
}

TEST_F(PrivateBrokerTest, TheSystemsComesFirst) {
    test::FakeSpoord fake(job.broker_socket);
    auto client = connect_or_start_private(job, soon());
    EXPECT_TRUE(client) << client.error().message;
}

TEST_F(PrivateBrokerTest, WithoutAProgramTheErrorSaysWhatToDo) {
    job.broker_program.clear();
    auto client = connect_or_start_private(job, soon());
    ASSERT_FALSE(client);
    EXPECT_THAT(client.error().message, HasSubstr(job.broker_socket));
    EXPECT_THAT(client.error().message, HasSubstr("start the spoord service"));
}

TEST_F(PrivateBrokerTest, ARunningPrivateOneIsShared) {
    if (!may_trace()) GTEST_SKIP() << "needs CAP_BPF and CAP_PERFMON";
    test::FakeSpoord fake(root / "spoord.sock");
    write_program("echo started >\"$0.started\"\n");
    auto client = connect_or_start_private(job, soon());
    EXPECT_TRUE(client) << client.error().message;
    EXPECT_EQ(read("broker.started"), "");
}

TEST_F(PrivateBrokerTest, StartsOneWithTheListeningSocket) {
    if (!may_trace()) GTEST_SKIP() << "needs CAP_BPF and CAP_PERFMON";
    ::setenv("LISTEN_PID", "1", 1);
    // Stands in the way, as one left by a killed spoord does.
    test::listen_seqpacket(root / "spoord.sock").reset();
    write_program(
        "{ echo \"args: $*\"; echo \"pid: $LISTEN_PID $$\"; echo \"fds: $LISTEN_FDS\"; pwd\n"
        "  ls -l /proc/$$/fd; grep SigBlk /proc/self/status; } >\"$0.out\"\n"
        "echo 'the last words' >&2\n");
    auto client = connect_or_start_private(job, soon());
    ::unsetenv("LISTEN_PID");
    ASSERT_FALSE(client);
    EXPECT_THAT(client.error().message, HasSubstr("could not start: the last words"));
    const std::string out = read("broker.out");
    EXPECT_THAT(out, HasSubstr("args: --private\n"));
    EXPECT_THAT(out, HasSubstr("fds: 1\n/\n"));
    EXPECT_THAT(out, HasSubstr("3 -> socket:["));
    EXPECT_THAT(out, HasSubstr("SigBlk:\t0000000000000000"));
    EXPECT_THAT(out, HasSubstr("0 -> /dev/null"));
    std::istringstream pid_line(out.substr(out.find("pid: ") + 5));
    int listen_pid = 0, own_pid = -1;
    pid_line >> listen_pid >> own_pid;
    EXPECT_EQ(listen_pid, own_pid);
    for (int fd = 4; fd < 10; ++fd)  // 10 is the shell's own
        EXPECT_EQ(out.find(" " + std::to_string(fd) + " -> "), std::string::npos) << out;
    struct stat st {};
    ASSERT_EQ(::stat((root / "spoord.sock").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(PrivateBrokerTest, AProgramThatIsNotThereLeavesNoSocket) {
    if (!may_trace()) GTEST_SKIP() << "needs CAP_BPF and CAP_PERFMON";
    auto client = connect_or_start_private(job, soon());
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ENOENT);
    EXPECT_THAT(client.error().message, HasSubstr(job.broker_program));
    struct stat st {};
    EXPECT_NE(::stat((root / "spoord.sock").c_str(), &st), 0);
}

TEST_F(PrivateBrokerTest, OneThatHangsCostsTheDeadlineOnly) {
    if (!may_trace()) GTEST_SKIP() << "needs CAP_BPF and CAP_PERFMON";
    write_program("echo $$ >\"$0.pid\"\nexec sleep 20\n");
    auto client =
        connect_or_start_private(job, std::chrono::steady_clock::now() + std::chrono::milliseconds(300));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ETIMEDOUT);
    // Made for it: the deadline may be over before it is started.
    if (std::filesystem::exists(root / "spoord.log")) kill_program();
}

}  // namespace
}  // namespace spoor::broker
