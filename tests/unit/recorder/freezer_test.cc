#include "shim/recorder/freezer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/files.h"

namespace spoor {
namespace {

// A file in the place of cgroup.freeze: it keeps what was written last.
class FreezerTest : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/spoor-freezer-XXXXXX";
        file_.reset(::mkostemp(name, O_CLOEXEC));
        ASSERT_TRUE(file_);
        path_ = name;
        set("0");
    }
    void TearDown() override { ::unlink(path_.c_str()); }

    void set(const char* state) { ASSERT_EQ(::pwrite(file_.get(), state, 1, 0), 1); }
    [[nodiscard]] std::string state() const { return *read_file(path_, 100); }
    [[nodiscard]] Freezer freezer() const {
        return Freezer({UniqueFd(::open(path_.c_str(), O_RDWR | O_CLOEXEC)), "1", "0"});
    }

    UniqueFd file_;
    std::string path_;
};

TEST_F(FreezerTest, HoldsAndReleases) {
    Freezer freezer = this->freezer();
    ASSERT_TRUE(freezer.hold());
    EXPECT_TRUE(freezer.holds());
    EXPECT_EQ(state(), "1");
    ASSERT_TRUE(freezer.hold());
    freezer.release();
    EXPECT_EQ(state(), "0");
    EXPECT_EQ(freezer.count(), 1u);
    set("1");
    freezer.release();
    EXPECT_EQ(state(), "1") << "released once";
}

TEST_F(FreezerTest, LeavesAloneWhatAnotherHasFrozen) {
    set("1");
    Freezer freezer = this->freezer();
    ASSERT_TRUE(freezer.hold());
    EXPECT_FALSE(freezer.holds());
    freezer.release();
    EXPECT_EQ(state(), "1");
}

TEST_F(FreezerTest, TheEndOfTheObjectReleases) {
    {
        Freezer freezer = this->freezer();
        ASSERT_TRUE(freezer.hold());
    }
    EXPECT_EQ(state(), "0");
}

TEST_F(FreezerTest, DeathReleases) {
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        Freezer freezer = this->freezer();
        if (!freezer.hold() || ::write(ready[1], "x", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_EQ(state(), "1");
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (state() != "0" && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_EQ(state(), "0");
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(FreezerTest, TellsWhatFailed) {
    Freezer freezer({UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)), "1", "0"});
    auto held = freezer.hold();
    ASSERT_FALSE(held);
    EXPECT_THAT(held.error().message, ::testing::HasSubstr("freeze the container"));
    EXPECT_FALSE(freezer.holds());
}

}  // namespace
}  // namespace spoor
