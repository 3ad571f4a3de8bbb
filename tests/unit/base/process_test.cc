#include "base/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

// A line of proc_pid_stat(5) up to field 24.
std::string line(const std::string& name, const std::string& state, const std::string& start) {
    return "7 (" + name + ") " + state + " 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 13 14 15 0 " + start + " 99 100\n";
}

class Stat : public testing::Test {
protected:
    Result<ProcessStat> of(const std::string& text) {
        proc_.write("7/stat", text);
        return read_process_stat(7, proc_.path());
    }
    test::TempDir proc_;
};

TEST_F(Stat, TheNameMayHoldAnything) {
    for (const char* name : {"sh", "", "a b", ") Z 1 2", "((", "a\nb"}) {
        const auto stat = of(line(name, "S", "12345678901"));
        ASSERT_TRUE(stat) << name;
        EXPECT_EQ(stat->state, 'S') << name;
        EXPECT_EQ(stat->start_ticks, 12345678901u) << name;
        EXPECT_FALSE(stat->ended()) << name;
    }
    EXPECT_TRUE(of(line("sh", "Z", "1"))->ended());
    EXPECT_TRUE(of(line("sh", "X", "1"))->ended());
}

TEST_F(Stat, WhatIsNoStatIsRefused) {
    for (const std::string text : {"", "7", "7 (sh", "7 (sh)", "7 (sh) S 1 2 3", "no line of a process\n"})
        EXPECT_EQ(of(text).error().code, EINVAL) << text;
    EXPECT_EQ(of(line("sh", "S", "soon")).error().code, EINVAL);
    EXPECT_EQ(read_process_stat(8, proc_.path()).error().code, ENOENT);
}

TEST(Process, ItsStartIsBetweenBootAndNow) {
    const auto stat = read_process_stat(::getpid());
    ASSERT_TRUE(stat) << stat.error().message;
    EXPECT_EQ(stat->state, 'R');
    const uint64_t second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
    EXPECT_GT(stat->start_ticks, 0u);
    EXPECT_LE(stat->start_ticks / second, boot_time_ns() / 1'000'000'000);
}

TEST(Process, AZombieHasEndedAndNobodyIsAnError) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    EXPECT_TRUE(read_process_stat(child)->ended());
    EXPECT_TRUE(open_pidfd(child));
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_EQ(read_process_stat(child).error().code, ENOENT);
    EXPECT_EQ(open_pidfd(child).error().code, ESRCH);
}

}  // namespace
}  // namespace spoor
