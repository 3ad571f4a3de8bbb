// The whole loop of a recorder against a fake spoord: this test plays the kernel, the runtime and
// its hooks.
#include "shim/recorder/session_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <limits>
#include <optional>

#include "base/files.h"
#include "shim/recorder/own_volumes.h"
#include "signal/session.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/recorder/fake_spoord.h"
#include "tests/unit/recorder/inotify_left.h"

namespace spoor {
namespace {

using std::chrono::milliseconds;
using test::FakeRing;
using test::FakeSpoord;
using test::head_of;
using test::make_record;
using test::TempDir;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto patience = std::chrono::seconds(120);  // the disk may be another's for long
constexpr pid_t no_such_pid = std::numeric_limits<pid_t>::max();

// A process that lives until it is told to end.
class Process {
public:
    Process() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) < 0) std::abort();
        pid_ = ::fork();
        if (pid_ == 0) {
            char byte;
            ::close(ends[1]);
            while (::read(ends[0], &byte, 1) > 0) {
            }
            ::_exit(0);
        }
        ::close(ends[0]);
        life_.reset(ends[1]);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { end(); }
    void end() {
        if (!life_) return;
        // Another fork may hold a copy of the pipe.
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        life_.reset();
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] UniqueFd pidfd() const {
        return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    }

private:
    pid_t pid_ = -1;
    UniqueFd life_;
};

// Of this process.
size_t inotify_descriptors() {
    size_t count = 0;
    std::error_code gone;  // by another thread
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        count += std::filesystem::read_symlink(entry, gone) == "anon_inode:inotify" ? 1 : 0;
    return count;
}

template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
}

bool exists(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

UniqueFd connect_control(const std::string& state_dir) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (state_dir + "/control").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return {};
    return fd;
}

struct SessionLoopTest : ::testing::Test {
    SessionLoopTest() {
        job.container_id = "c1";
        job.state_dir = root / "containers/c1";
        job.volume_dir = root / "volumes/c1";
        job.own_volume = true;
        job.mode = "warn";
        job.broker_socket = root / "system.sock";
        job.on_unavailable = "run";
        job.ring_bytes = 4096;
        job.ring_max_bytes = 64 * 1024;
        job.setup_deadline_ms = static_cast<uint32_t>(milliseconds(patience).count());
        for (const auto& dir : {job.state_dir, job.volume_dir, root / "cgroup"})
            if (auto made = make_directories(dir, 0755); !made) ADD_FAILURE() << made.error().message;
        std::string procs = root / "cgroup/cgroup.procs";
        UniqueFd(::open(procs.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)).reset();

        environment.connect_broker = [](const Job& of, broker::Deadline deadline) {
            return broker::Client::connect(of.broker_socket, deadline);
        };
        environment.find_cgroup = [this](pid_t) -> Result<ContainerCgroup> {
            auto dir = open_file(root / "cgroup", O_RDONLY | O_DIRECTORY);
            if (!dir) return std::move(dir).error();
            ContainerCgroup cgroup;
            cgroup.dir = std::move(*dir);
            return cgroup;
        };
        environment.open_ring = [this](UniqueFd fd, uint32_t bytes) {
            return Ring::map(std::move(fd), bytes, spoord->wait_fd());
        };
        environment.cgroup_check_interval = milliseconds(5);
        environment.absence_limit = environment.settle_limit = patience;
        EXPECT_TRUE(test::wait_for_inotify());
    }

    ~SessionLoopTest() override {
        if (!loop_thread.joinable()) return;
        runtime.end();
        init.end();
        if (over.wait_for(milliseconds(0)) != std::future_status::ready)
            ::pthread_kill(loop_thread.native_handle(), SIGTERM);
        loop_thread.join();
    }

    void start_spoord(FakeSpoord::Mend mend = {}) {
        spoord = std::make_unique<FakeSpoord>(job.broker_socket, std::move(mend));
    }

    // Starts the loop; does not wait for its readiness.
    void launch() {
        int ends[2];
        ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        ready.reset(ends[0]);
        // Signals to this process are not the test's: the loop's thread takes those sent to it.
        loop_thread = std::thread([this, pidfd = runtime.pidfd(), writer = UniqueFd(ends[1])]() mutable {
            SessionLoop loop(job, std::move(pidfd), std::move(writer), environment);
            finished.set_value(loop.run());
        });
    }

    std::string ready_line() {
        std::string line;
        char byte = 0;
        while (::read(ready.get(), &byte, 1) == 1) line += byte;  // closed after the line
        return line;
    }

    void start() {
        launch();
        EXPECT_EQ(ready_line(), "{\"ok\":true}\n");
    }

    Status ask(ControlRequest::Op op) { return call_control(job.state_dir, {op, init.pid()}, patience); }
    Status arm() { return ask(ControlRequest::Op::arm); }
    Status finish() { return ask(ControlRequest::Op::finish); }

    void start_and_arm() {
        start();
        auto armed = arm();
        ASSERT_TRUE(armed) << armed.error().message;
    }

    // The hook has given up by the time that the recorder comes to answer it.
    void arm_late() {
        start_spoord();
        std::promise<void> go_on;
        environment.connect_broker = [&go_on](const Job& of, broker::Deadline deadline) {
            go_on.get_future().wait();
            return broker::Client::connect(of.broker_socket, deadline);
        };
        launch();
        ASSERT_TRUE(eventually([&] { return connect_control(job.state_dir).valid(); }));
        {
            UniqueFd hook = connect_control(job.state_dir);
            const std::string request = to_json(ControlRequest{ControlRequest::Op::arm, init.pid()});
            ASSERT_GT(::send(hook.get(), request.data(), request.size(), 0), 0);
        }
        go_on.set_value();
        ASSERT_TRUE(eventually([&] { return session().has_value(); }));
    }

    // The container is in its cgroup, and the hook has not asked yet.
    void arm_early() {
        job.cgroup = "/cgroup";
        environment.cgroups = root / "";
        environment.is_container_init = [this](pid_t pid) { return pid == init.pid(); };
        std::ofstream(root / "cgroup/cgroup.procs") << init.pid() << "\n";
        std::ofstream(root / "cgroup/cgroup.events") << "populated 1\n";
        start();
        EXPECT_TRUE(eventually([&] { return spoord->rings_handed_out() == 1; }));
    }

    Status join() {
        if (over.wait_for(patience) != std::future_status::ready) {
            ADD_FAILURE() << "the loop did not end";
            return Error{ETIMEDOUT, "stuck"};
        }
        loop_thread.join();
        return over.get();
    }

    Result<Session> session() {
        auto trace = open_file(job.volume_dir + "/trace", O_RDONLY | O_DIRECTORY);
        if (!trace) return std::move(trace).error();
        return read_session(trace->get());
    }
    std::string accesses() {
        return read_file(job.volume_dir + "/trace/accesses.jsonl", 1 << 20).value_or("");
    }

    void emit_exec(uint64_t time_ns = 1000) {
        ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_CWD, time_ns), "/ws")));
        ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_EXEC, 0, time_ns), "/bin/true")));
    }
    void emit_read(const std::string& path, uint64_t time_ns = 2000) {
        ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_READ, time_ns), path)));
    }
    void emit_end() { ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_END)))); }

    TempDir root;
    Job job;
    SessionEnvironment environment;
    std::unique_ptr<FakeSpoord> spoord;
    Process runtime;
    Process init;
    UniqueFd ready;
    std::promise<Status> finished;
    std::future<Status> over = finished.get_future();
    std::thread loop_thread;
};

TEST_F(SessionLoopTest, ArmEventsFinish) {
    start_spoord();
    start_and_arm();
    auto tracing = session();
    ASSERT_TRUE(tracing) << tracing.error().message;
    EXPECT_EQ(tracing->state, SessionState::tracing);
    EXPECT_EQ(tracing->family, "syscall-exit");
    EXPECT_EQ(tracing->ring_bytes, 4096u);

    emit_exec();
    emit_read("/ws/a.txt");
    runtime.end();  // as a detached `create` does
    auto done = finish();
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_FALSE(exists(job.state_dir)) << "gone before the hook is answered";
    auto result = session();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->state, SessionState::finished);
    EXPECT_TRUE(result->complete()) << ::testing::PrintToString(result->reasons);
    EXPECT_EQ(result->counters.events, 3u);
    EXPECT_EQ(result->counters.received, 3u);
    EXPECT_EQ(result->processes, 1u);
    EXPECT_THAT(accesses(), HasSubstr("/ws/a.txt"));
    EXPECT_TRUE(exists(job.volume_dir + "/trace/tasks/-.json"));
    EXPECT_TRUE(join());
    EXPECT_THAT(spoord->requests(), Contains(broker::Request::disarm));
}

TEST_F(SessionLoopTest, ArmedBeforeTheHookAsks) {
    const auto before = inotify_descriptors();
    start_spoord();
    arm_early();
    EXPECT_FALSE(exists(job.volume_dir + "/trace/session.json")) << "there may never be a container";
    auto armed = arm();
    ASSERT_TRUE(armed) << armed.error().message;
    EXPECT_EQ(inotify_descriptors(), before + 1) << "of which a user has few";
    EXPECT_EQ(session()->state, SessionState::tracing);
    EXPECT_EQ(session()->ring_bytes, 4096u);
    emit_exec();
    emit_read("/ws/a.txt");
    runtime.end();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
    EXPECT_EQ(session()->counters.received, 3u);
    EXPECT_EQ(spoord->rings_handed_out(), 1u);
}

TEST_F(SessionLoopTest, WhatWasArmedForAProcessThatTheHookDoesNotFindIsGivenUp) {
    const auto before = inotify_descriptors();
    start_spoord();
    arm_early();
    const auto armed = call_control(job.state_dir, {ControlRequest::Op::arm, no_such_pid}, patience);
    ASSERT_FALSE(armed);
    EXPECT_THAT(armed.error().message, HasSubstr("is gone"));
    EXPECT_TRUE(eventually([&] { return spoord->connections() == 0; }));
    EXPECT_TRUE(eventually([&] { return inotify_descriptors() == before; }));
    EXPECT_EQ(session()->state, SessionState::untraced);
    runtime.end();
    EXPECT_TRUE(join());
}

TEST_F(SessionLoopTest, AContainerThatFailsAfterItWasArmedLeavesNothing) {
    start_spoord();
    arm_early();
    runtime.end();
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.volume_dir));
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, AContainerThatFailsAfterItWasArmedLeavesAUsersVolumeAsItWas) {
    job.own_volume = false;
    ASSERT_TRUE(make_directories(job.volume_dir + "/trace", 0755));
    std::ofstream(job.volume_dir + "/trace/session.json") << "of another container";
    start_spoord();
    arm_early();
    runtime.end();
    EXPECT_TRUE(join());
    EXPECT_EQ(read_file(job.volume_dir + "/trace/session.json", 1 << 10).value_or(""),
              "of another container");
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, TheEndRecordEndsIt) {
    start_spoord();
    start_and_arm();
    emit_exec();
    emit_read("/ws/a.txt");
    emit_end();
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
    ASSERT_TRUE(session());
    EXPECT_TRUE(session()->complete());
    EXPECT_EQ(session()->counters.received, 4u);
}

TEST_F(SessionLoopTest, LinesAreInTheVolumeWithinASecondOrSo) {
    start_spoord();
    start_and_arm();
    emit_exec();
    emit_read("/ws/early.txt");
    EXPECT_TRUE(eventually([&] { return accesses().find("/ws/early.txt") != std::string::npos; }));
    EXPECT_EQ(session()->state, SessionState::tracing);
}

TEST_F(SessionLoopTest, TaskSignalsAreTakenAndTheReportIsThereWhenTheEndIsAcknowledged) {
    start_spoord();
    auto put = [&](const std::string& name, const std::string& members) {
        const std::string file = job.volume_dir + "/agent/" + name,
                          temporary = job.volume_dir + "/agent/.new";
        std::ofstream(temporary) << R"({"schema":"spoor.task/1","taskId":"t",)" << members << "}";
        ASSERT_EQ(::rename(temporary.c_str(), file.c_str()), 0);
    };
    ASSERT_TRUE(make_directories(job.volume_dir + "/agent", 0777));
    put("0.json", R"("event":"inputs","inputs":["x"])");  // before there is anybody to read it
    start_and_arm();
    emit_exec();
    emit_read("/ws/a.txt");
    put("1.json", R"("event":"start","pid":7,"workspaceRoot":"/ws")");
    emit_read("/ws/b.txt", 3000);
    put("2.json", R"("event":"end","status":"success")");
    EXPECT_TRUE(eventually([&] { return !exists(job.volume_dir + "/agent/2.json"); }));
    const std::string report = read_file(job.volume_dir + "/trace/tasks/t.json", 1 << 20).value_or("");
    EXPECT_THAT(report, HasSubstr("\"a.txt\""));
    EXPECT_THAT(report, HasSubstr("\"b.txt\""));
    EXPECT_THAT(report, HasSubstr(R"("status":"success")"));
    put("3.json", R"("event":"nonsense")");
    EXPECT_TRUE(eventually([&] { return !exists(job.volume_dir + "/agent/3.json"); }));
    // This one may be seen by the last look only.
    put("4.json", R"("event":"start","taskId":"late")");
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
    EXPECT_THAT(session()->warnings, ElementsAre(HasSubstr("3.json was refused")));
    EXPECT_TRUE(exists(job.volume_dir + "/trace/tasks/late.json"));
}

// It says nothing of itself, so that its report is written when it has been quiet: with what has been lost by
// then.
TEST_F(SessionLoopTest, AReportByQuietKnowsWhatWasLost) {
    start_spoord();
    start_and_arm();
    ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_CWD), "/ws")));
    for (const char* variable : {"NX_TASK_TARGET_PROJECT=p", "NX_TASK_TARGET_TARGET=build"})
        ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ENV), "", variable)));
    ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_EXEC), "/bin/true")));
    spoord->change_counters([](spoor_counters& counters) { counters.lost_ring_full = 5; });
    ASSERT_TRUE(spoord->emit(make_record(head_of(SPOOR_EV_EXIT))));
    const std::string report = job.volume_dir + "/trace/tasks/p:build.json";
    ASSERT_TRUE(eventually([&] { return exists(report); }));
    EXPECT_THAT(read_file(report, 1 << 20).value_or(""),
                HasSubstr(R"("complete":false,"reasons":[],"lost":5)"));
}

// What was written before the agent's signal is in its report, also where nobody was told to look.
TEST_F(SessionLoopTest, AnEndWaitsForWhatHasBeenCounted) {
    ASSERT_TRUE(make_directories(job.volume_dir + "/agent", 0777));
    const std::string agent = job.volume_dir + "/agent/";
    std::ofstream(agent + "0.json")
        << R"({"schema":"spoor.task/1","taskId":"t","event":"start","pid":7,"workspaceRoot":"/ws"})";
    start_spoord();
    start_and_arm();
    emit_exec();
    ASSERT_TRUE(eventually([&] { return !exists(agent + "0.json"); }));
    std::atomic<bool> last = false;
    spoord->when_asked([&](broker::Request request) {
        if (request != broker::Request::stats) return;
        spoord->set_silent(true);
        emit_read("/ws/behind.txt");
        // This one never comes.
        if (last) spoord->change_counters([](spoor_counters& counters) { ++counters.emitted; });
    });
    auto end = [&](const std::string& name) {
        std::ofstream(agent + ".new") << R"({"schema":"spoor.task/1","taskId":"t","event":"end"})";
        ASSERT_EQ(::rename((agent + ".new").c_str(), (agent + name).c_str()), 0);
        EXPECT_TRUE(eventually([&] { return !exists(agent + name); }));
    };
    const std::string report = job.volume_dir + "/trace/tasks/t.json";
    end("1.json");
    EXPECT_THAT(read_file(report, 1 << 20).value_or(""), HasSubstr("behind.txt"));
    EXPECT_THAT(read_file(report, 1 << 20).value_or(""), HasSubstr(R"("complete":true)"));
    last = true;
    std::ofstream(agent + ".new") << R"({"schema":"spoor.task/1","taskId":"t","event":"start","pid":7})";
    ASSERT_EQ(::rename((agent + ".new").c_str(), (agent + "2.json").c_str()), 0);
    EXPECT_TRUE(eventually([&] { return !exists(agent + "2.json"); }));
    end("3.json");
    EXPECT_THAT(read_file(report, 1 << 20).value_or(""),
                HasSubstr(R"("complete":false,"reasons":[],"lost":1)"));
}

TEST_F(SessionLoopTest, NothingExecutedMeansNeverStarted) {
    start_spoord();
    start_and_arm();
    emit_end();
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.volume_dir));
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, AVolumeOfTheUsersStaysInAnyCase) {
    job.own_volume = false;
    start_spoord();
    start_and_arm();
    emit_end();
    EXPECT_TRUE(join());
    EXPECT_TRUE(session());
}

TEST_F(SessionLoopTest, NoBrokerMeansUntracedAndSaysWhy) {
    launch();
    const std::string line = ready_line();
    EXPECT_THAT(line, HasSubstr("\"ok\":false"));
    EXPECT_THAT(line, HasSubstr("system.sock"));
    auto armed = arm();
    ASSERT_FALSE(armed);
    EXPECT_THAT(armed.error().message, HasSubstr("system.sock"));
    auto untraced = session();
    ASSERT_TRUE(untraced);
    EXPECT_EQ(untraced->state, SessionState::untraced);
    EXPECT_EQ(untraced->family, "none");
    EXPECT_THAT(untraced->reasons, ElementsAre(HasSubstr("system.sock")));
    EXPECT_FALSE(untraced->complete());
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
    EXPECT_EQ(session()->state, SessionState::untraced) << "the volume stays: the container ran";
}

TEST_F(SessionLoopTest, BrokerRefuses) {
    start_spoord([](broker::Request request, broker::ReplyMessage& reply) {
        if (request != broker::Request::arm) return;
        reply.code = static_cast<int32_t>(broker::Code::not_owner);
        std::strcpy(reply.text, "the cgroup is not yours");
    });
    start();
    auto armed = arm();
    ASSERT_FALSE(armed);
    EXPECT_THAT(armed.error().message, HasSubstr("the cgroup is not yours"));
    EXPECT_THAT(session()->reasons, ElementsAre(HasSubstr("the cgroup is not yours")));
    EXPECT_FALSE(arm()) << "only once";
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, RefusedContainerLeavesNothing) {
    job.on_unavailable = "refuse";
    start_spoord([](broker::Request request, broker::ReplyMessage& reply) {
        if (request == broker::Request::arm) reply.code = static_cast<int32_t>(broker::Code::unavailable);
    });
    start();
    EXPECT_FALSE(arm());
    ASSERT_EQ(::unlink((root / "cgroup/cgroup.procs").c_str()), 0);
    init.end();
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
    EXPECT_FALSE(exists(job.volume_dir));
}

TEST_F(SessionLoopTest, CgroupThatCannotBeFound) {
    start_spoord();
    environment.find_cgroup = [](pid_t) -> Result<ContainerCgroup> {
        return Error{ENOENT, "no such cgroup"};
    };
    start();
    EXPECT_THAT(arm().error().message, HasSubstr("no such cgroup"));
    EXPECT_EQ(session()->state, SessionState::untraced);
    init.end();
    EXPECT_TRUE(join()) << "without a cgroup the end of its process is the container's";
}

TEST_F(SessionLoopTest, RingThatCannotBeMapped) {
    start_spoord();
    environment.open_ring = [](UniqueFd, uint32_t) -> Result<Ring> { return Error{EPERM, "no mapping"}; };
    start();
    EXPECT_THAT(arm().error().message, HasSubstr("no mapping"));
    EXPECT_EQ(session()->state, SessionState::untraced);
    EXPECT_TRUE(finish());
}

TEST_F(SessionLoopTest, BrokerRestartedBeforeArm) {
    start_spoord();
    start();
    spoord->die();
    ASSERT_EQ(::unlink(job.broker_socket.c_str()), 0);
    start_spoord();
    auto armed = arm();
    EXPECT_TRUE(armed) << armed.error().message;
    emit_exec();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(session()->complete());
}

TEST_F(SessionLoopTest, BrokerDies) {
    start_spoord();
    start_and_arm();
    emit_exec();
    emit_read("/ws/last-words.txt");
    spoord->die();
    EXPECT_TRUE(eventually([&] { return !session()->reasons.empty(); })) << "told while the container runs";
    EXPECT_EQ(session()->state, SessionState::tracing);
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    auto result = session();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->state, SessionState::degraded);
    EXPECT_THAT(result->reasons, ElementsAre("the broker went away"));
    EXPECT_EQ(result->counters.received, 3u);
    EXPECT_THAT(accesses(), HasSubstr("last-words"));
}

TEST_F(SessionLoopTest, BrokerDiesAndNobodyTellsTheEnd) {
    start_spoord();
    start_and_arm();
    emit_exec();
    spoord->die();
    init.end();
    ASSERT_EQ(::unlink((root / "cgroup/cgroup.procs").c_str()), 0);
    EXPECT_TRUE(join());
    EXPECT_EQ(session()->state, SessionState::degraded);
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, OtherProcessesOutliveInit) {
    start_spoord();
    start_and_arm();
    emit_exec();
    init.end();
    emit_read("/ws/by-a-survivor.txt");
    EXPECT_TRUE(eventually([&] { return accesses().find("by-a-survivor") != std::string::npos; }));
    EXPECT_EQ(session()->state, SessionState::tracing);
    ASSERT_EQ(::unlink((root / "cgroup/cgroup.procs").c_str()), 0);
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete());
}

TEST_F(SessionLoopTest, RuntimeEndsWithoutAContainer) {
    start_spoord();
    start();
    runtime.end();
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
    EXPECT_FALSE(exists(job.volume_dir));
}

TEST_F(SessionLoopTest, RuntimeEndsWithoutAContainerInTheUsersVolume) {
    job.own_volume = false;
    start_spoord();
    start();
    runtime.end();
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
    EXPECT_TRUE(exists(job.volume_dir));
}

TEST_F(SessionLoopTest, FinishWithoutArm) {
    start_spoord();
    start();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.volume_dir));
}

TEST_F(SessionLoopTest, ANewContainersVolumeIsNotTakenForOurs) {
    start_spoord();
    start();
    ASSERT_EQ(::rename(job.volume_dir.c_str(), (root / "volumes/c1.1").c_str()), 0);
    ASSERT_TRUE(make_directories(job.volume_dir + "/trace", 0755));
    ASSERT_EQ(::rename(job.state_dir.c_str(), (root / "containers/old").c_str()), 0);
    ASSERT_TRUE(make_directories(job.state_dir, 0700));
    runtime.end();
    EXPECT_TRUE(join());
    EXPECT_TRUE(exists(job.volume_dir + "/trace"));
    EXPECT_TRUE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, GarbageOnTheControlSocket) {
    start_spoord();
    start();
    for (const std::string& garbage : {std::string("x"), std::string("{}"), std::string("{\"op\":\"arm\"}"),
                                       std::string("{\"op\":\"arm\",\"pid\":-1}"), std::string("[1,2"),
                                       std::string("\0\xff", 2), std::string(60'000, '{')}) {
        UniqueFd peer = connect_control(job.state_dir);
        ASSERT_TRUE(peer);
        ASSERT_EQ(::send(peer.get(), garbage.data(), garbage.size(), 0),
                  static_cast<ssize_t>(garbage.size()));
        char answer[4096];
        const ssize_t size = ::recv(peer.get(), answer, sizeof answer, 0);
        ASSERT_GT(size, 0);
        EXPECT_THAT(std::string(answer, static_cast<size_t>(size)), HasSubstr("\"ok\":false"));
    }
    // More than are kept, all silent.
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 100; ++i) silent.push_back(connect_control(job.state_dir));
    auto armed = arm();
    EXPECT_TRUE(armed) << armed.error().message;
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
}

TEST_F(SessionLoopTest, ArmTwice) {
    start_spoord();
    start_and_arm();
    EXPECT_FALSE(arm());
    emit_exec();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(session()->complete());
}

TEST_F(SessionLoopTest, AHookThatDidNotWaitMakesItIncomplete) {
    arm_late();
    emit_exec();
    EXPECT_TRUE(finish());
    EXPECT_THAT(session()->reasons, ElementsAre(HasSubstr("tracing began after")));
    EXPECT_FALSE(session()->complete());
}

// It runs, but has executed nothing since: what it has of a trail stays.
TEST_F(SessionLoopTest, AHookThatDidNotWaitMayHaveStartedIt) {
    arm_late();
    EXPECT_TRUE(finish());
    ASSERT_TRUE(session());
    EXPECT_THAT(session()->reasons, ElementsAre(HasSubstr("tracing began after")));
}

TEST_F(SessionLoopTest, EmittedButNeverReceived) {
    start_spoord();
    start_and_arm();
    emit_exec();
    spoord->change_counters([](spoor_counters& counters) { counters.emitted += 5; });
    EXPECT_TRUE(finish());
    EXPECT_EQ(session()->loss.consumer, 5u);
    EXPECT_EQ(session()->counters.events, 7u);
    EXPECT_EQ(session()->counters.received, 2u);
    EXPECT_FALSE(session()->complete());
}

TEST_F(SessionLoopTest, LossesOfTheKernelSide) {
    start_spoord();
    start_and_arm();
    emit_exec();
    spoord->change_counters([](spoor_counters& counters) {
        counters.lost_ring_full = 1;
        counters.lost_scratch = 2;
        counters.lost_processes = 3;
        counters.lost_fault = 4;
        counters.lost_scopes = 5;
    });
    EXPECT_TRUE(finish());
    const SessionLoss loss = session()->loss;
    EXPECT_EQ(loss.ring_full, 1u);
    EXPECT_EQ(loss.scratch, 2u);
    EXPECT_EQ(loss.process_table, 3u);
    EXPECT_EQ(loss.fault, 4u);
    EXPECT_EQ(loss.scopes, 5u);
    EXPECT_EQ(loss.consumer, 0u);
    EXPECT_FALSE(session()->complete());
}

TEST_F(SessionLoopTest, RecordsNotUnderstood) {
    start_spoord();
    start_and_arm();
    emit_exec();
    ASSERT_TRUE(spoord->emit("garbage"));
    EXPECT_TRUE(finish());
    EXPECT_EQ(session()->loss.consumer, 1u);
    EXPECT_THAT(session()->reasons, ElementsAre(HasSubstr("did not understand 1 record")));
}

TEST_F(SessionLoopTest, DamagedRing) {
    start_spoord();
    start_and_arm();
    emit_exec();
    EXPECT_TRUE(eventually([&] { return spoord->ring().fill() == 0; }));
    __atomic_store_n(spoord->ring().producer(), *spoord->ring().producer() + (1u << 20), __ATOMIC_RELEASE);
    EXPECT_TRUE(finish());
    EXPECT_GE(session()->loss.consumer, 1u);
    EXPECT_THAT(session()->reasons, Contains(HasSubstr("damaged")));
}

TEST_F(SessionLoopTest, GrowsInOrderUntilItIsRefused) {
    start_spoord([](broker::Request request, broker::ReplyMessage& reply) {
        if (request == broker::Request::grow && reply.ring_bytes > 16384)
            reply.code = static_cast<int32_t>(broker::Code::quota);
    });
    start_and_arm();
    emit_exec();
    int path = 0;
    uint64_t time = 3000;
    for (size_t rings = 1; rings < 3; ++rings) {
        // More than a quarter before anybody looks. The loop may look in between: then once more.
        while (spoord->rings_handed_out() == rings) {
            FakeRing& ring = spoord->ring();
            spoord->set_silent(true);
            while (spoord->rings_handed_out() == rings && ring.fill() <= ring.size() * 3 / 4)
                emit_read("/ws/" + std::to_string(path++), time++);
            spoord->set_silent(false);
            ASSERT_TRUE(eventually([&] { return spoord->rings_handed_out() > rings || ring.fill() == 0; }));
        }
    }
    // Past what spoord allows; the session goes on with what it has.
    for (int i = 0; i < 500; ++i) {
        ASSERT_TRUE(eventually([&] { return spoord->ring().fill() < 16384 * 7 / 8; }));
        emit_read("/ws/" + std::to_string(path++), time++);
    }
    EXPECT_TRUE(finish());
    EXPECT_TRUE(session()->complete());
    EXPECT_EQ(session()->ring_bytes, 16384u);
    EXPECT_EQ(session()->counters.received, static_cast<uint64_t>(path) + 2);
    std::string lines = accesses();
    size_t at = 0;
    for (int i = 0; i < path; ++i) {
        at = lines.find("\"/ws/" + std::to_string(i) + "\"", at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

// Between two signals of one batch, when all that had come was taken: nobody has seen the new ring's wake-up.
TEST_F(SessionLoopTest, ARingThatGrewForASignalIsWaitedOn) {
    ASSERT_TRUE(make_directories(job.volume_dir + "/agent", 0777));
    const std::string agent = job.volume_dir + "/agent/";
    std::ofstream(agent + "0.json") << R"({"schema":"spoor.task/1","taskId":"t","event":"start"})";
    std::ofstream(agent + "1.json") << R"({"schema":"spoor.task/1","taskId":"t","event":"end"})";
    std::ofstream(agent + "2.json") << R"({"schema":"spoor.task/1","taskId":"u","event":"start"})";
    start_spoord();
    spoord->when_asked([&](broker::Request request) {
        if (request != broker::Request::stats || spoord->rings_handed_out() > 1) return;
        emit_exec();
        while (spoord->ring().fill() <= spoord->ring().size() / 2) emit_read("/ws/before");
    });
    start_and_arm();
    ASSERT_TRUE(eventually([&] { return !exists(agent + "2.json"); }));
    ASSERT_EQ(spoord->rings_handed_out(), 2u);
    emit_read("/ws/in-the-new-one");
    EXPECT_TRUE(eventually([&] { return accesses().find("in-the-new-one") != std::string::npos; }));
    EXPECT_TRUE(finish());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
}

TEST_F(SessionLoopTest, NeverGrowsBeyondTheJobsMaximum) {
    job.ring_max_bytes = 4096;
    start_spoord();
    start_and_arm();
    emit_exec();
    spoord->set_silent(true);
    for (int i = 0; i < 30; ++i) emit_read("/ws/" + std::to_string(i));
    spoord->set_silent(false);
    EXPECT_TRUE(finish());
    EXPECT_EQ(spoord->rings_handed_out(), 1u);
}

TEST_F(SessionLoopTest, SigtermEndsItEarly) {
    start_spoord();
    start_and_arm();
    emit_exec();
    emit_read("/ws/a.txt");
    ::pthread_kill(loop_thread.native_handle(), SIGHUP);  // means nothing
    ::pthread_kill(loop_thread.native_handle(), SIGTERM);
    EXPECT_TRUE(join());
    EXPECT_EQ(session()->state, SessionState::degraded);
    EXPECT_THAT(session()->reasons, ElementsAre(HasSubstr("told to stop")));
    EXPECT_THAT(accesses(), HasSubstr("/ws/a.txt"));
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, SighupIsIgnored) {
    start_spoord();
    start();
    ::pthread_kill(loop_thread.native_handle(), SIGHUP);
    EXPECT_TRUE(arm());
    emit_exec();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(session()->complete());
}

TEST_F(SessionLoopTest, SigtermBeforeTheContainer) {
    start_spoord();
    start();
    ::pthread_kill(loop_thread.native_handle(), SIGTERM);
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
    EXPECT_EQ(session()->state, SessionState::untraced) << "the container may come yet";
}

TEST_F(SessionLoopTest, VolumeThatIsAFile) {
    start_spoord();
    job.own_volume = false;
    job.volume_dir = root / "file";
    UniqueFd(::open(job.volume_dir.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)).reset();
    launch();
    EXPECT_THAT(ready_line(), HasSubstr("volume"));
    EXPECT_FALSE(arm());
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.state_dir));
}

TEST_F(SessionLoopTest, VolumeThatIsInUse) {
    start_spoord();
    auto other = Volume::open(job.volume_dir);
    ASSERT_TRUE(other);
    launch();
    EXPECT_THAT(ready_line(), HasSubstr("\"ok\":false"));
    EXPECT_FALSE(arm());
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_FALSE(exists(job.volume_dir + "/trace/session.json")) << "another session writes here";
}

TEST_F(SessionLoopTest, StateDirectoryThatIsNotThere) {
    job.state_dir = root / "containers/none";
    launch();
    EXPECT_THAT(ready_line(), HasSubstr("containers/none"));
    EXPECT_FALSE(join());
}

TEST_F(SessionLoopTest, OldVolumesMakeRoom) {
    job.keep_volumes = 2;
    auto add = [&](const std::string& name, time_t when, bool with_session) {
        const std::string trace = root / "volumes/" + name + "/trace";
        ASSERT_TRUE(make_directories(trace, 0755));
        if (!with_session) return;
        const std::string file = trace + "/session.json";
        UniqueFd fd(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        const timespec times[2] = {{when, 0}, {when, 0}};
        ASSERT_EQ(::futimens(fd.get(), times), 0);
    };
    for (int i = 1; i <= 4; ++i) add("old" + std::to_string(i), 1000 + i, true);
    add("new", 0, false);
    add("live", 1, true);
    auto live = Volume::open(root / "volumes/live");
    ASSERT_TRUE(live);
    start_spoord();
    start_and_arm();
    emit_exec();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());  // nobody waits for their removal
    for (const char* name : {"old1", "old2"}) EXPECT_FALSE(exists(root / "volumes/" + name)) << name;
    for (const char* name : {"old3", "old4", "new", "live", "c1"})
        EXPECT_TRUE(exists(root / "volumes/" + name)) << name;
}

TEST_F(SessionLoopTest, OthersVolumesAreNotPruned) {
    job.keep_volumes = 0;
    job.own_volume = false;
    const std::string trace = root / "volumes/old/trace";
    ASSERT_TRUE(make_directories(trace, 0755));
    UniqueFd(::open((trace + "/session.json").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)).reset();
    start_spoord();
    start_and_arm();
    emit_exec();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(exists(trace));
}

// What arm of a spoord with pins answers.
void with_token(broker::Request request, broker::ReplyMessage& reply) {
    if (request == broker::Request::arm) reply.token[0] = 42;
}

TEST_F(SessionLoopTest, ASessionGoesOnWithTheNextBroker) {
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->die();
    EXPECT_TRUE(eventually([&] { return !session()->reasons.empty(); })) << "told while nobody is there";
    EXPECT_FALSE(session()->complete());
    emit_read("/ws/meanwhile.txt");
    EXPECT_TRUE(eventually([&] { return accesses().find("meanwhile") != std::string::npos; }));
    spoord->revive();
    EXPECT_TRUE(eventually([&] { return session()->reasons.empty(); })) << "made good";
    emit_read("/ws/after.txt");
    emit_end();
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
    EXPECT_EQ(session()->counters.received, 5u);
}

// All of a user's recorders come back at once: over a quota for a moment.
TEST_F(SessionLoopTest, ARecorderThatIsTurnedAwayAsksAgain) {
    std::atomic<int> refusals{0};
    start_spoord([&refusals](broker::Request request, broker::ReplyMessage& reply) {
        with_token(request, reply);
        if (request != broker::Request::resume || refusals == 3) return;
        reply.code = static_cast<int32_t>(broker::Code::quota);
        if (++refusals == 2) reply.request = static_cast<uint16_t>(broker::Request::hello);  // unasked
    });
    start_and_arm();
    emit_exec();
    spoord->die();
    EXPECT_TRUE(eventually([&] { return !session()->reasons.empty(); }));
    spoord->revive();
    EXPECT_TRUE(eventually([&] { return session()->reasons.empty(); }));
    EXPECT_EQ(refusals, 3);
    emit_end();
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
}

TEST_F(SessionLoopTest, TheEndWaitsForTheNextBroker) {
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->die();
    emit_read("/ws/last.txt");
    emit_end();
    auto hook = std::async(std::launch::async, [this] { return finish(); });
    EXPECT_TRUE(eventually([&] { return accesses().find("last.txt") != std::string::npos; }));
    EXPECT_EQ(session()->state, SessionState::tracing);
    spoord->revive();
    EXPECT_TRUE(hook.get());
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
}

TEST_F(SessionLoopTest, TheFinalCountersAreAskedForAgain) {
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->hang_up_at(broker::Request::disarm);
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
    EXPECT_EQ(session()->counters.events, 2u);
}

TEST_F(SessionLoopTest, AGrownRingThatWasNotToldOfIsFound) {
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->hang_up_at(broker::Request::grow);
    int path = 0;
    // Again if the recorder was awake and has emptied it meanwhile; it may also have asked twice in the end.
    ASSERT_TRUE(eventually([&] {
        spoord->set_silent(true);
        for (; spoord->ring().fill() <= spoord->ring().size() * 3 / 4; ++path)
            emit_read("/ws/" + std::to_string(path), 3000 + static_cast<uint64_t>(path));
        spoord->set_silent(false);
        return spoord->rings_handed_out() >= 2;
    }));
    emit_read("/ws/in-the-new-one");
    EXPECT_TRUE(eventually([&] { return accesses().find("in-the-new-one") != std::string::npos; }));
    EXPECT_TRUE(finish());
    EXPECT_TRUE(session()->complete()) << ::testing::PrintToString(session()->reasons);
    EXPECT_EQ(session()->counters.received, static_cast<uint64_t>(path) + 3);
    EXPECT_EQ(session()->ring_bytes, spoord->ring().size());
}

TEST_F(SessionLoopTest, ABrokerThatDoesNotKnowTheSession) {
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->die();
    ASSERT_EQ(::unlink(job.broker_socket.c_str()), 0);
    FakeSpoord stranger(job.broker_socket);
    EXPECT_TRUE(eventually([&] { return session()->reasons.size() == 2; }));
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_EQ(session()->state, SessionState::degraded);
    EXPECT_THAT(session()->reasons,
                ElementsAre("the broker went away", HasSubstr("could not be resumed: resume the session")));
}

TEST_F(SessionLoopTest, NoBrokerComes) {
    environment.absence_limit = milliseconds(50);
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->die();
    EXPECT_TRUE(eventually([&] { return session()->reasons.size() == 2; }));
    emit_read("/ws/still-read.txt");
    EXPECT_TRUE(finish());
    EXPECT_FALSE(session()->complete());
    EXPECT_THAT(accesses(), HasSubstr("still-read"));
}

TEST_F(SessionLoopTest, NoBrokerComesToTheEnd) {
    environment.settle_limit = milliseconds(50);
    start_spoord(with_token);
    start_and_arm();
    emit_exec();
    spoord->die();
    EXPECT_TRUE(finish());
    EXPECT_TRUE(join());
    EXPECT_EQ(session()->state, SessionState::degraded);
    EXPECT_FALSE(session()->complete());
}

}  // namespace
}  // namespace spoor
