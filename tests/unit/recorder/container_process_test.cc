#include "shim/recorder/container_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

#include "base/clock.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

// A child that waits for a signal, and when it started.
struct Child {
    Child() {
        pid = ::fork();
        if (pid == 0)
            for (;;) ::pause();
        std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
        std::string word;
        for (int field = 1; field <= 22; ++field) stat >> word;
        start_ns = std::stoull(word) * (1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK))) + 1234;
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid < 0) return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    pid_t pid;
    uint64_t start_ns;
};

TEST(ContainerProcess, KillsTheOneThatIsMeant) {
    Child child;
    ASSERT_TRUE(kill_process(static_cast<uint32_t>(child.pid), child.start_ns));
    int status = 0;
    ASSERT_EQ(::waitpid(child.pid, &status, 0), child.pid);
    child.pid = -1;
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(ContainerProcess, ANumberThatIsAnotherProcessNowIsSpared) {
    Child child;
    for (uint64_t start : {child.start_ns + 20'000'000, child.start_ns - 20'000'000, uint64_t{0}}) {
        auto killed = kill_process(static_cast<uint32_t>(child.pid), start);
        ASSERT_FALSE(killed);
        EXPECT_EQ(killed.error().code, ESRCH);
    }
    EXPECT_EQ(::waitpid(child.pid, nullptr, WNOHANG), 0) << "alive";
    EXPECT_EQ(kill_process(0, child.start_ns).error().code, ESRCH);
}

TEST(ContainerProcess, IsFoundByItsNumberInANamespace) {
    Child child;
    struct stat st {};
    ASSERT_EQ(::stat("/proc/self/ns/pid", &st), 0);
    EXPECT_EQ(pid_namespace_of(::getpid()), st.st_ino);
    Attribution processes([](TaskNumber, TaskNumber) { return false; });
    // What the container calls it does not matter here: its number in our namespace is asked for.
    const ProcessKey key{77, child.start_ns};
    processes.seen(key, 0, static_cast<uint32_t>(child.pid));
    const auto pid = static_cast<uint32_t>(child.pid);
    EXPECT_EQ(find_in_namespace(pid, st.st_ino, 0, processes), key);
    EXPECT_EQ(find_in_namespace(pid + 1, st.st_ino, 0, processes), std::nullopt);
    EXPECT_EQ(find_in_namespace(pid, st.st_ino + 1, 0, processes), std::nullopt);
    EXPECT_EQ(find_in_namespace(77, st.st_ino, st.st_ino, processes), key) << "the container's own";
}

TEST(ContainerProcess, OneOfOurOwnNamespaceIsNoNewInit) {
    Child child;
    EXPECT_FALSE(is_new_namespace_init(child.pid));
    EXPECT_FALSE(is_new_namespace_init(1));
}

TEST(ContainerProcess, DirectoriesAreOpenedWithinItsRoot) {
    test::TempDir root;
    ASSERT_EQ(::mkdir((root / "real").c_str(), 0755), 0);
    ASSERT_EQ(::symlink("real", (root / "link").c_str()), 0);
    ASSERT_EQ(::symlink("/proc/self/root", (root / "magic").c_str()), 0);
    EXPECT_TRUE(open_directory_in(::getpid(), root / "link"));
    EXPECT_FALSE(open_directory_in(::getpid(), root / "magic"));
    EXPECT_FALSE(open_directory_in(::getpid(), root / "nothing"));
}

}  // namespace
}  // namespace spoor
