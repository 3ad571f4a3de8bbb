#include "signal/syncer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>

#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::content;
using test::TemporaryDirectory;
using testing::UnorderedElementsAre;

class SyncerTest : public testing::TestWithParam<const char*> {
protected:
    AtomicFile made(const std::string& text) {
        auto file = AtomicFile::create_at(directory.fd(), "file");
        EXPECT_TRUE(file);
        EXPECT_TRUE(file->write(text));
        return std::move(*file);
    }
    [[nodiscard]] std::string text() const { return content(directory.path("file")); }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
            all.push_back(entry.path().filename());
        return all;
    }

    TemporaryDirectory directory{GetParam()};
};

TEST_P(SyncerTest, TheLastOneStays) {
    {
        Syncer syncer;
        for (int i = 0; i <= 100; ++i) syncer.replace(made(std::to_string(i)));
    }
    EXPECT_EQ(text(), "100");
    EXPECT_THAT(names(), UnorderedElementsAre("file"));
}

TEST_P(SyncerTest, NoneComesAfterwards) {
    for (int i = 0; i < 30; ++i) {
        Syncer syncer;
        syncer.replace(made("one"));
        syncer.replace(made("another"));
        syncer.stop_replacing();
        EXPECT_TRUE(made("ours").commit());
    }
    EXPECT_EQ(text(), "ours");
    EXPECT_THAT(names(), UnorderedElementsAre("file"));
}

TEST_P(SyncerTest, WhatIsInItsPlaceIsSyncedLater) {
    auto file = made("text").publish();
    ASSERT_TRUE(file);
    EXPECT_EQ(text(), "text");
    EXPECT_THAT(names(), UnorderedElementsAre("file"));
    std::vector<UniqueFd> files;
    files.push_back(std::move(*file));
    Syncer().sync(std::move(files));
    EXPECT_EQ(text(), "text");
}

// Of who may have no more processes: what is to be in its place is there all the same.
TEST_P(SyncerTest, WithoutAThread) {
    ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr uid_t nobody = 65534;  // a limit is none to root
        const rlimit none{0, 0};
        if (::geteuid() == 0 && ::setresuid(nobody, nobody, nobody) < 0) ::_exit(1);
        if (::setrlimit(RLIMIT_NPROC, &none) < 0) ::_exit(2);
        {
            Syncer syncer;
            syncer.replace(made("text"));
        }
        ::_exit(text() == "text" ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// A disk, as a rule, and memory.
INSTANTIATE_TEST_SUITE_P(On, SyncerTest, testing::Values("/var/tmp", "/dev/shm"),
                         [](const auto& place) { return place.index == 0 ? "Disk" : "Memory"; });

}  // namespace
}  // namespace spoor
