#include "signal/volume.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::content;
using test::put;
using test::TemporaryDirectory;
using testing::HasSubstr;

mode_t mode_of(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777;
}
bool exists(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

TEST(Volume, MakesItsDirectoriesWhateverTheUmask) {
    TemporaryDirectory directory;
    mode_t old = ::umask(077);
    auto volume = Volume::open(directory.path());
    ::umask(old);
    ASSERT_TRUE(volume) << volume.error().message;
    EXPECT_EQ(mode_of(directory.path("trace")), 0755u);
    EXPECT_EQ(mode_of(directory.path("agent")), 01777u);
    EXPECT_GE(volume->trace(), 0);
    EXPECT_GE(volume->agent(), 0);
}

TEST(Volume, OneWriterAtATime) {
    TemporaryDirectory directory;
    auto first = Volume::open(directory.path());
    ASSERT_TRUE(first);
    auto second = Volume::open(directory.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
    EXPECT_THAT(second.error().message, HasSubstr("another traced container"));
    { Volume closed = std::move(*first); }
    EXPECT_TRUE(Volume::open(directory.path()));
}

// As spoorctl does, to learn whether somebody writes.
TEST(Volume, AReadersLookIsWaitedFor) {
    TemporaryDirectory directory;
    ASSERT_TRUE(Volume::open(directory.path()));
    UniqueFd reader(::open(directory.path("trace").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(::flock(reader.get(), LOCK_SH), 0);
    std::thread looks([&reader] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        reader.reset();
    });
    auto opened = Volume::open(directory.path());
    EXPECT_TRUE(opened) << opened.error().message;
    looks.join();
}

TEST(Volume, WhatIsNoVolume) {
    TemporaryDirectory directory;
    put(directory.path("file"), "x");
    EXPECT_EQ(Volume::open(directory.path("file")).error().code, ENOTDIR);
    EXPECT_EQ(Volume::open(directory.path("missing")).error().code, ENOENT);
}

TEST(Volume, FollowsNoLinkInside) {
    for (const char* name : {"trace", "agent"}) {
        TemporaryDirectory directory, elsewhere;
        ASSERT_EQ(::symlink(elsewhere.path().c_str(), directory.path(name).c_str()), 0);
        EXPECT_FALSE(Volume::open(directory.path())) << name;
        EXPECT_FALSE(exists(elsewhere.path("session.json")));
        TemporaryDirectory other;
        put(other.path(name), "a file");
        EXPECT_FALSE(Volume::open(other.path())) << name;
    }
}

TEST(Volume, ClearsWhatAnEarlierSessionLeftAndNothingElse) {
    TemporaryDirectory directory, outside;
    put(outside.path("kept"), "kept");
    auto volume = Volume::open(directory.path());
    ASSERT_TRUE(volume);
    for (const char* name : {"session.json", "processes.jsonl", "accesses.jsonl", "accesses.jsonl.1",
                             "accesses.jsonl.12", "violations.jsonl", ".session.json.17.0"})
        put(directory.path(std::string("trace/") + name), "old");
    for (const char* name : {"notes.txt", "accesses.jsonl.bak", "accesses.jsonl.", "accesses.jsonlx"})
        put(directory.path(std::string("trace/") + name), "mine");
    put(directory.path("agent/task.json"), "{}");
    ASSERT_EQ(::mkdir(directory.path("trace/tasks").c_str(), 0755), 0);
    put(directory.path("trace/tasks/-.json"), "old");
    ASSERT_EQ(::symlink(outside.path().c_str(), directory.path("trace/tasks/link").c_str()), 0);

    ASSERT_TRUE(volume->clear());
    for (const char* name :
         {"session.json", "processes.jsonl", "accesses.jsonl", "accesses.jsonl.1", "accesses.jsonl.12",
          "violations.jsonl", ".session.json.17.0", "tasks/-.json", "tasks/link"})
        EXPECT_FALSE(exists(directory.path(std::string("trace/") + name))) << name;
    for (const char* name : {"notes.txt", "accesses.jsonl.bak", "accesses.jsonl.", "accesses.jsonlx"})
        EXPECT_EQ(content(directory.path(std::string("trace/") + name)), "mine") << name;
    EXPECT_EQ(content(directory.path("agent/task.json")), "{}");
    EXPECT_EQ(content(outside.path("kept")), "kept");
    EXPECT_EQ(mode_of(directory.path("trace/tasks")), 0755u);
    EXPECT_GE(volume->tasks(), 0);
}

TEST(Volume, ClearsPlantedThings) {
    TemporaryDirectory directory, outside;
    put(outside.path("kept"), "kept");
    auto volume = Volume::open(directory.path());
    ASSERT_TRUE(volume);
    ASSERT_EQ(::symlink(outside.path().c_str(), directory.path("trace/tasks").c_str()), 0);
    ASSERT_EQ(::symlink(outside.path("kept").c_str(), directory.path("trace/session.json").c_str()), 0);
    ASSERT_EQ(::mkfifo(directory.path("trace/accesses.jsonl").c_str(), 0600), 0);
    ASSERT_EQ(::mkdir(directory.path("trace/processes.jsonl").c_str(), 0755), 0);
    put(directory.path("trace/processes.jsonl/x"), "x");
    // Directories that AtomicFile moved away, and the space set aside.
    ASSERT_EQ(::mkdir(directory.path("trace/.session.json.1.0.away0").c_str(), 0755), 0);
    put(directory.path("trace/.session.json.1.0.away0/x"), "x");
    put(directory.path("trace/.session.json.reserve"), "x");
    ASSERT_TRUE(volume->clear());
    EXPECT_EQ(content(outside.path("kept")), "kept");
    EXPECT_FALSE(exists(directory.path("trace/session.json")));
    EXPECT_FALSE(exists(directory.path("trace/accesses.jsonl")));
    EXPECT_FALSE(exists(directory.path("trace/processes.jsonl")));
    EXPECT_FALSE(exists(directory.path("trace/.session.json.1.0.away0")));
    EXPECT_FALSE(exists(directory.path("trace/.session.json.reserve")));
    ASSERT_TRUE(volume->clear());  // and again
}

}  // namespace
}  // namespace spoor
