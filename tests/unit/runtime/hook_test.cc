#include "shim/runtime/hook.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/files.h"
#include "shim/ipc/control.h"
#include "shim/ipc/job.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/state_dir.h"
#include "signal/session.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::HasSubstr;
using Op = ControlRequest::Op;

constexpr const char* nobodys_identity = "2147483647 1";  // no process has that number

// Each test with spoor-runtime's code and with the program that stands in front of it.
enum class Way { function, program };

class Hook : public testing::TestWithParam<Way> {
protected:
    Hook() {
        Job job;
        job.container_id = "c1";
        job.state_dir = state_;
        job.volume_dir = dir_ / "volume";
        job.mode = "warn";
        job.on_unavailable = "run";
        dir_.write("state/job.json", to_json(job));
        std::filesystem::create_directories(dir_ / "volume/trace");
        std::filesystem::create_directories(dir_ / "volume/agent");
    }

    // Runs the hook with `input` on its stdin. What it printed is in `errors`.
    int run(const char* name, const char* unavailable, const std::string& input = R"({"pid":77})",
            const char* deadline = "10000") {
        const UniqueFd file(::memfd_create("stdin", MFD_CLOEXEC));
        EXPECT_TRUE(write_all(file.get(), input));
        ::lseek(file.get(), 0, SEEK_SET);
        const UniqueFd before(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10));
        ::dup2(file.get(), STDIN_FILENO);
        const std::string log = dir_ / "log";
        const std::vector<const char*> words = {
            name,        "--state", state_.c_str(), "--deadline-ms", deadline, "--on-unavailable",
            unavailable, "--log",   log.c_str(),    "--log-format",  "json"};
        testing::internal::CaptureStderr();
        const int code = GetParam() == Way::function ? run_hook(words) : run_program(words);
        errors_ = testing::internal::GetCapturedStderr();
        ::dup2(before.get(), STDIN_FILENO);
        return code;
    }

    static int run_program(std::vector<const char*> words) {
        words.insert(words.begin(), {"spoor", "hook"});
        words.push_back(nullptr);
        const pid_t child = ::fork();
        if (child == 0) {
            ::execv(SPOOR_PROGRAM, const_cast<char* const*>(words.data()));
            ::_exit(127);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    // A recorder that answers one request, in this process.
    std::thread recorder(const UniqueFd& listener, Status answer) {
        return std::thread([&listener, answer = std::move(answer), this] {
            const UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            char buffer[4096];
            const ssize_t size = ::recv(peer.get(), buffer, sizeof buffer, 0);
            asked_.assign(buffer, static_cast<size_t>(size));
            const std::string text = control_answer(answer);
            ::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
        });
    }

    Result<Session> session() {
        const auto trace = open_file(dir_ / "volume/trace", O_RDONLY | O_DIRECTORY);
        return read_session(trace->get());
    }

    test::TempDir dir_;
    std::string state_ = dir_ / "state";
    std::string asked_;
    std::string errors_;
};

TEST_P(Hook, ArmsTheContainersInit) {
    const auto listener = listen_control(state_);
    std::thread server = recorder(*listener, {});
    EXPECT_EQ(run("create-runtime", "refuse"), 0);
    server.join();
    EXPECT_EQ(parse_control_request(asked_)->op, Op::arm);
    EXPECT_EQ(parse_control_request(asked_)->pid, 77);
    EXPECT_EQ(errors_, "");
}

TEST_P(Hook, FindsTheContainersInitInAnyState) {
    const std::string member = R"("annotations": {"a": ",\"pid\":5,", "pid": "6", "b": "\\"})";
    const std::string large(100'000, 'x');
    for (const std::string& state : std::vector<std::string>{
             "{" + member + ", \"pid\" : 77}", "{\"pid\":77," + member + "}", "{\n\t\"pid\":\n77\n}",
             R"({"bundle":")" + large + R"(","pid":77})", R"({"id":"\"pid\":8","pid":77})"}) {
        const auto listener = listen_control(state_);
        std::thread server = recorder(*listener, {});
        EXPECT_EQ(run("create-runtime", "refuse", state), 0) << state.substr(0, 100);
        server.join();
        EXPECT_EQ(parse_control_request(asked_)->pid, 77) << state.substr(0, 100);
    }
}

TEST_P(Hook, ARefusalStopsTheContainerIfSoConfigured) {
    for (const char* unavailable : {"run", "refuse"}) {
        const auto listener = listen_control(state_);
        std::thread server = recorder(*listener, Error{0, "no quota"});
        const bool refuse = unavailable == std::string("refuse");
        EXPECT_EQ(run("create-runtime", unavailable), refuse ? 1 : 0);
        server.join();
        EXPECT_EQ(errors_, refuse ? "spoor: tracing is not possible: no quota\n" : "");
        EXPECT_EQ(std::filesystem::exists(dir_ / "log"), refuse);
    }
    EXPECT_THAT(dir_.read("log"), HasSubstr("no quota"));
    // The recorder is alive: what the volume says is its business.
    EXPECT_FALSE(session());
}

TEST_P(Hook, WaitsForARecorderThatIsComing) {
    dir_.write("state/recorder", process_identity(::getpid()));
    Result<UniqueFd> listener = Error{0, ""};
    std::thread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        listener = listen_control(state_);
        recorder(*listener, {}).join();
    });
    EXPECT_EQ(run("create-runtime", "refuse"), 0);
    later.join();
}

TEST_P(Hook, ADeadRecorderIsToldInTheVolume) {
    dir_.write("state/recorder", nobodys_identity);
    EXPECT_EQ(run("create-runtime", "run"), 0);
    const auto read = session();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->state, SessionState::untraced);
    EXPECT_THAT(read->reasons.at(0), HasSubstr("recorder has ended"));
    EXPECT_EQ(run("create-runtime", "refuse"), 1);
}

TEST_P(Hook, ASilentRecorderEndsAtTheDeadline) {
    dir_.write("state/recorder", process_identity(::getpid()));
    const auto listener = listen_control(state_);
    EXPECT_EQ(run("create-runtime", "run", R"({"pid":77})", "30"), 0);
    EXPECT_EQ(run("create-runtime", "refuse", R"({"pid":77})", "30"), 1);
    EXPECT_THAT(errors_, HasSubstr("in time"));
}

// The container runs without it: if it came later it would find no hook, and take the volume away.
TEST_P(Hook, ARecorderThatNeverListensIsEnded) {
    const pid_t recorder = ::fork();
    if (recorder == 0) {
        ::pause();
        ::_exit(0);
    }
    dir_.write("state/recorder", process_identity(recorder));
    EXPECT_EQ(run("create-runtime", "run", R"({"pid":77})", "30"), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(recorder, &status, 0), recorder);
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    ASSERT_TRUE(session());
    EXPECT_EQ(session()->state, SessionState::untraced);
    EXPECT_THAT(session()->reasons.at(0), HasSubstr("did not listen in time"));
}

TEST_P(Hook, GarbageOnStdin) {
    EXPECT_EQ(run("create-runtime", "run", "x"), 0);
    EXPECT_EQ(run("create-runtime", "refuse", "x"), 1);
    EXPECT_THAT(errors_, HasSubstr("stdin"));
}

TEST_P(Hook, FinishesWhenTheContainerIsGone) {
    const auto listener = listen_control(state_);
    std::thread server = recorder(*listener, {});
    EXPECT_EQ(run("poststop", "refuse"), 0);
    server.join();
    EXPECT_EQ(parse_control_request(asked_)->op, Op::finish);
    EXPECT_TRUE(std::filesystem::exists(state_));
}

TEST_P(Hook, AfterARecorderThatDiedTheSessionIsDegraded) {
    const auto trace = open_file(dir_ / "volume/trace", O_RDONLY | O_DIRECTORY);
    Session tracing;
    tracing.container_id = "c1";
    ASSERT_TRUE(write_session(trace->get(), tracing));
    dir_.write("state/recorder", nobodys_identity);
    EXPECT_EQ(run("poststop", "refuse"), 0);
    EXPECT_EQ(session()->state, SessionState::degraded);
    EXPECT_FALSE(std::filesystem::exists(state_));
    EXPECT_EQ(errors_, "");
}

TEST_P(Hook, ARecorderThatIsKilledWhileItFinishesIsToldOf) {
    Session session;
    session.container_id = "c1";
    session.state = SessionState::tracing;
    const auto trace = open_file(dir_ / "volume/trace", O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(write_session(trace->get(), session));
    dir_.write("state/recorder", nobodys_identity);
    auto listener = listen_control(state_);
    ASSERT_TRUE(listener);
    std::thread killed([&listener] {
        const UniqueFd peer(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        char buffer[4096];
        EXPECT_GT(::recv(peer.get(), buffer, sizeof buffer, 0), 0);
        listener->reset();
    });
    EXPECT_EQ(run("poststop", "run"), 0);
    killed.join();
    EXPECT_EQ(this->session()->state, SessionState::degraded);
    EXPECT_FALSE(std::filesystem::exists(state_));
}

// It had written its reports, by the record of the container's end, and was about to go when the hook came.
TEST_P(Hook, ARecorderThatFinishedByItselfIsNoneThatDied) {
    const auto listener = listen_control(state_);
    std::thread server([&listener, this] {
        const UniqueFd peer(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        char buffer[4096];
        EXPECT_GT(::recv(peer.get(), buffer, sizeof buffer, 0), 0);
        EXPECT_TRUE(remove_tree(state_));
    });
    EXPECT_EQ(run("poststop", "refuse"), 0);
    server.join();
    EXPECT_FALSE(session()) << "nobody has been told that it died";
    EXPECT_EQ(errors_, "");
}

TEST_P(Hook, PoststopNeverFails) {
    std::filesystem::remove_all(state_);
    EXPECT_EQ(run("poststop", "refuse"), 0);  // the recorder has tidied up
    dir_.write("state/job.json", "garbage");
    EXPECT_EQ(run("poststop", "refuse", ""), 0);
    EXPECT_EQ(errors_, "");
}

INSTANTIATE_TEST_SUITE_P(By, Hook, testing::Values(Way::function, Way::program),
                         [](const auto& way) { return way.param == Way::function ? "Function" : "Program"; });

TEST(HookArguments, OfOthersAreRefused) {
    testing::internal::CaptureStderr();
    const char* const unknown[] = {"dance", "--state", "/x"};
    const char* const no_state[] = {"poststop"};
    const char* const no_value[] = {"poststop", "--state"};
    const char* const bad_number[] = {"poststop", "--state", "/x", "--deadline-ms", "-1"};
    EXPECT_EQ(run_hook({}), 1);
    EXPECT_EQ(run_hook(unknown), 1);
    EXPECT_EQ(run_hook(no_state), 1);
    EXPECT_EQ(run_hook(no_value), 1);
    EXPECT_EQ(run_hook(bad_number), 1);
    testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace spoor
