// Arming before the hook asks, against a fake spoord and a cgroup of plain files.
#include "shim/recorder/arming.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <future>
#include <set>

#include "base/files.h"
#include "base/process.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/recorder/fake_spoord.h"
#include "tests/unit/recorder/inotify_left.h"

namespace spoor {
namespace {

using broker::Request;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::FakeSpoord;
using test::TempDir;
using ::testing::HasSubstr;

constexpr auto time_limit = std::chrono::minutes(2);

class Sleeper {
public:
    Sleeper() : pid_(::fork()) {
        if (pid_ != 0) return;
        ::pause();
        ::_exit(0);
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() { end(); }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_;
};

struct ArmingTest : ::testing::Test {
    ArmingTest() {
        job.container_id = "c1";
        job.mode = "warn";
        job.ring_bytes = 4096;
        job.setup_deadline_ms = static_cast<uint32_t>(milliseconds(time_limit).count());
        job.broker_socket = root / "system.sock";
        job.cgroup = "/above/c1";
        environment.cgroups = root / "cgroups";
        EXPECT_TRUE(make_directories(environment.cgroups + "/above", 0755));
        environment.connect_broker = [](const Job& of, broker::Deadline deadline) {
            return broker::Client::connect(of.broker_socket, deadline);
        };
        environment.find_cgroup = [this](pid_t) -> Result<ContainerCgroup> {
            auto dir = open_file(cgroup(), O_RDONLY | O_DIRECTORY);
            if (!dir) return std::move(dir).error();
            ContainerCgroup found;
            found.dir = std::move(*dir);
            return found;
        };
        environment.open_ring = [this](UniqueFd fd, uint32_t bytes) {
            return Ring::map(std::move(fd), bytes, spoord.wait_fd());
        };
        environment.is_container_init = [this](pid_t pid) { return inits.contains(pid); };
        inits.insert(init.pid());
        EXPECT_TRUE(test::wait_for_inotify());
        connect();
    }
    ~ArmingTest() override { release.set_value(); }  // or spoord's end would be waited for in vain

    void connect() {
        auto client = environment.connect_broker(job, steady_clock::now() + time_limit);
        ASSERT_TRUE(client) << client.error().message;
        broker.emplace(std::move(*client));
    }

    [[nodiscard]] std::string cgroup() const { return environment.cgroups + job.cgroup; }
    void make_cgroup() {
        ASSERT_EQ(::mkdir(cgroup().c_str(), 0755), 0);
        write("cgroup.procs", "");
        write("cgroup.events", "populated 0\n");
    }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(cgroup() + "/" + name) << text;
    }
    void populate(const std::vector<pid_t>& pids) const {
        std::string text;
        for (pid_t pid : pids) text += std::to_string(pid) + "\n";
        write("cgroup.procs", text);
        write("cgroup.events", "populated 1\n");
    }

    [[nodiscard]] long asked() {
        const auto requests = spoord.requests();
        return std::ranges::count(requests, Request::arm);
    }
    // Does what there is to do until `condition` holds.
    template <class Condition>
    bool until(Condition condition) {
        const auto end = steady_clock::now() + time_limit;
        while (!condition()) {
            if (steady_clock::now() > end) return false;
            pollfd item{arming.fd(), POLLIN, 0};
            if (::poll(&item, 1, 5) > 0) arming.step();
        }
        return true;
    }
    bool until_asked(long times = 1) {
        return until([&] { return asked() == times; });
    }
    // There is no more to do: what was asked for is answered.
    bool until_quiet() {
        return until([&] {
            pollfd item{arming.fd(), POLLIN, 0};
            return ::poll(&item, 1, 50) == 0;
        });
    }
    Result<Ring> arm(pid_t pid) {
        auto pidfd = open_pidfd(pid);
        if (!pidfd) pidfd = open_pidfd(::getpid());  // the number is used again
        return arming.arm(pid, pidfd->get(), directory);
    }
    // As if nothing had been asked for early.
    void expect_armed_by_the_hook(pid_t pid, long requests) {
        auto armed = arm(pid);
        ASSERT_TRUE(armed) << armed.error().message;
        EXPECT_FALSE(arming.was_early());
        EXPECT_TRUE(directory);
        EXPECT_EQ(asked(), requests);
        EXPECT_TRUE(broker->connected());
    }

    TempDir root;
    Job job;
    SessionEnvironment environment;
    std::set<pid_t> inits;
    // spoord's thread uses these.
    std::function<void(Request, broker::ReplyMessage&)> mend = [](Request, broker::ReplyMessage&) {};
    std::promise<void> reached, release;
    FakeSpoord spoord{root / "system.sock",
                      [this](Request what, broker::ReplyMessage& reply) { mend(what, reply); }};
    Sleeper init;
    std::optional<broker::Client> broker;
    UniqueFd directory;
    Arming arming{job, environment, broker};
};

TEST_F(ArmingTest, AContainerThatIsThereAlready) {
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    auto armed = arm(init.pid());
    ASSERT_TRUE(armed) << armed.error().message;
    EXPECT_TRUE(arming.was_early());
    EXPECT_TRUE(directory);
    EXPECT_EQ(armed->reader().size(), 4096u);
    EXPECT_EQ(asked(), 1);
}

TEST_F(ArmingTest, ACgroupThatComesLaterAndAProcessStillLater) {
    arming.begin();
    make_cgroup();
    ASSERT_TRUE(until_quiet());
    EXPECT_EQ(asked(), 0);
    populate({init.pid()});
    ASSERT_TRUE(until_asked());
    // The hook does not have to wait for the loop to have seen the answer.
    auto armed = arm(init.pid());
    ASSERT_TRUE(armed) << armed.error().message;
    EXPECT_TRUE(arming.was_early());
    EXPECT_TRUE(directory);
    EXPECT_EQ(asked(), 1);
}

TEST_F(ArmingTest, TheOneThatPreparesTheContainerIsWaitedFor) {
    Sleeper preparing;
    make_cgroup();
    populate({preparing.pid()});
    arming.begin();
    populate({preparing.pid(), init.pid()});
    ASSERT_TRUE(until_quiet());
    EXPECT_EQ(asked(), 0);
    write("cgroup.procs", std::to_string(init.pid()) + "\n");  // cgroup.events says the same as before
    preparing.end();
    ASSERT_TRUE(until_asked());
    EXPECT_TRUE(arm(init.pid()));
    EXPECT_TRUE(arming.was_early());
}

TEST_F(ArmingTest, SeveralProcessesAreNoNewContainer) {
    Sleeper other;
    inits.insert(other.pid());
    make_cgroup();
    populate({other.pid(), init.pid()});
    arming.begin();
    ASSERT_TRUE(until_quiet());
    EXPECT_EQ(asked(), 0);
    expect_armed_by_the_hook(init.pid(), 1);
}

TEST_F(ArmingTest, NothingIsKnownOfTheCgroup) {
    job.cgroup.clear();
    arming.begin();
    ASSERT_TRUE(until_quiet());
    job.cgroup = "/above/c1";
    make_cgroup();
    expect_armed_by_the_hook(init.pid(), 1);
}

TEST_F(ArmingTest, NoDirectoryAbove) {
    job.cgroup = "/nowhere/c1";
    arming.begin();
    ASSERT_TRUE(until_quiet());
    job.cgroup = "/above/c1";
    make_cgroup();
    expect_armed_by_the_hook(init.pid(), 1);
}

TEST_F(ArmingTest, TheHookNamesAnotherProcess) {
    Sleeper other;
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    populate({init.pid(), other.pid()});
    expect_armed_by_the_hook(other.pid(), 2);
}

TEST_F(ArmingTest, TheHookNamesAnotherProcessBeforeSpoordHasAnswered) {
    Sleeper other;
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    populate({init.pid(), other.pid()});
    expect_armed_by_the_hook(other.pid(), 2);
}

TEST_F(ArmingTest, TheProcessIsInAnotherCgroupByThen) {
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    write("cgroup.procs", "");
    expect_armed_by_the_hook(init.pid(), 2);
}

TEST_F(ArmingTest, ANumberThatIsUsedAgainIsAnotherProcess) {
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    const pid_t pid = init.pid();
    init.end();
    expect_armed_by_the_hook(pid, 2);
}

TEST_F(ArmingTest, ARefusalIsTheHooks) {
    mend = [](Request what, broker::ReplyMessage& reply) {
        if (what != Request::arm) return;
        reply.code = static_cast<int32_t>(broker::Code::quota);
        std::strcpy(reply.text, "enough");
    };
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    const auto armed = arm(init.pid());
    ASSERT_FALSE(armed);
    EXPECT_EQ(armed.error().code, EDQUOT);
    EXPECT_THAT(armed.error().message, HasSubstr("spoord refused: enough"));
    EXPECT_EQ(asked(), 1) << "and is told of once";
    EXPECT_TRUE(directory) << "whose end is waited for";
}

TEST_F(ArmingTest, ASpoordThatIsRestartedInBetweenIsAskedAgain) {
    spoord.hang_up_at(Request::arm);
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    expect_armed_by_the_hook(init.pid(), 2);
}

TEST_F(ArmingTest, ASpoordThatIsRestartedOnceItHasAnsweredIsAskedAgain) {
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_asked());
    ASSERT_TRUE(until_quiet());
    spoord.die();
    spoord.revive();
    expect_armed_by_the_hook(init.pid(), 2);
}

TEST_F(ArmingTest, ASlowSpoordHasTheHooksTime) {
    mend = [this](Request what, broker::ReplyMessage&) {
        if (what != Request::arm) return;
        reached.set_value();
        release.get_future().wait();
    };
    job.setup_deadline_ms = 50;
    make_cgroup();
    populate({init.pid()});
    arming.begin();
    ASSERT_TRUE(until_quiet()) << "the loop does not wait";
    ASSERT_EQ(reached.get_future().wait_for(time_limit), std::future_status::ready);
    const auto began = steady_clock::now();
    const auto armed = arm(init.pid());
    ASSERT_FALSE(armed);
    EXPECT_EQ(armed.error().code, ETIMEDOUT);
    EXPECT_GE(steady_clock::now() - began, milliseconds(50));
    EXPECT_FALSE(broker->connected()) << "a late answer is nobody's";
}

}  // namespace
}  // namespace spoor
