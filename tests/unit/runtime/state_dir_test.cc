#include "shim/runtime/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "shim/ipc/control.h"
#include "shim/runtime/environment.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

// The identity of a process that is no more.
std::string dead_process() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        char byte;
        (void)!::read(ends[0], &byte, ::close(ends[1]) == 0 ? 1 : 1);
        ::_exit(0);
    }
    ::close(ends[0]);
    std::string identity = process_identity(child);
    EXPECT_TRUE(is_alive(identity));
    ::close(ends[1]);
    ::waitpid(child, nullptr, 0);
    return identity;
}

TEST(StateDir, IsPrivateAndKnowsItsOwner) {
    const test::TempDir root;
    const auto dir = make_state_dir(root / "deep/root", "c1");
    ASSERT_TRUE(dir) << dir.error().message;
    EXPECT_EQ(dir->name, "c1");
    EXPECT_EQ(dir->path, root / "deep/root/containers/c1");
    struct stat st {};
    ASSERT_EQ(::stat((root / "deep/root/containers").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700u);
    EXPECT_TRUE(is_alive(root.read("deep/root/containers/c1/owner")));
    EXPECT_TRUE(is_in_use(dir->path));
}

TEST(StateDir, ANamesakeBeingSetUpKeepsIts) {
    const test::TempDir root;
    ASSERT_TRUE(make_state_dir(root.path(), "c"));
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c.1");
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c.2");
}

TEST(StateDir, ANamesakeWithALivingRecorderKeepsIts) {
    const test::TempDir root;
    root.write("containers/c/owner", dead_process());
    const auto recorder = listen_control(root / "containers/c");
    ASSERT_TRUE(recorder);
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c.1");
}

TEST(StateDir, ADeadOneIsReplaced) {
    const test::TempDir root;
    root.write("containers/c/owner", dead_process());
    root.write("containers/c/bundle/x", "");
    { ASSERT_TRUE(listen_control(root / "containers/c")); }
    EXPECT_FALSE(is_in_use(root / "containers/c"));
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c");
    EXPECT_EQ(root.tree(), (std::set<std::string>{"containers", "containers/c", "containers/c/owner"}));
}

TEST(StateDir, AnUnownedOneIsTakenForNewborn) {
    const test::TempDir root;
    root.write("containers/c/job.json", "");
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c.1");
    const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (root / "containers/c").c_str(), long_ago, 0), 0);
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c");
}

TEST(StateDir, OneThatAnotherIsRemovingIsLeftToIt) {
    const test::TempDir root;
    root.write("containers/c/owner", dead_process());
    const auto other = open_file(root / "containers/c", O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(::flock(other->get(), LOCK_EX), 0);
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c.1");
}

TEST(StateDir, OneOfANamesakeIsNotRemovedForIt) {
    const test::TempDir root;
    const auto first = make_state_dir(root.path(), "c");
    ASSERT_TRUE(first);
    std::filesystem::rename(root / "containers/c", root / "containers/gone");
    const auto second = make_state_dir(root.path(), "c");
    ASSERT_EQ(second->path, first->path);
    remove_state_dir(*first);
    EXPECT_TRUE(std::filesystem::exists(second->path));
    remove_state_dir(*second);
    EXPECT_FALSE(std::filesystem::exists(second->path));
}

TEST(StateDir, ALinkInItsPlaceIsNotFollowed) {
    const test::TempDir root;
    root.write("elsewhere/owner", dead_process());
    std::filesystem::create_directories(root / "containers");
    std::filesystem::create_symlink(root / "elsewhere", root / "containers/c");
    EXPECT_EQ(make_state_dir(root.path(), "c")->name, "c.1");
    EXPECT_NE(root.read("elsewhere/owner"), "");
}

TEST(StateDir, ErrorsNameThePath) {
    const test::TempDir root;
    root.write("file", "");
    const auto dir = make_state_dir(root / "file", "c");
    ASSERT_FALSE(dir);
    EXPECT_THAT(dir.error().message, testing::HasSubstr(root / "file"));
    EXPECT_EQ(make_state_dir(root.path(), std::string(300, 'x')).error().code, ENAMETOOLONG);
}

TEST(ContainerId, MustBeOneComponent) {
    for (const char* id : {"c", "a.b", "...", "-x"}) EXPECT_TRUE(is_plain_container_id(id)) << id;
    for (const char* id : {"", ".", "..", "a/b", "/"}) EXPECT_FALSE(is_plain_container_id(id)) << id;
}

TEST(ProcessIdentity, EndsWithTheProcess) {
    EXPECT_TRUE(is_alive(process_identity(::getpid())));
    EXPECT_FALSE(is_alive(dead_process()));
    EXPECT_FALSE(is_alive(std::to_string(::getpid()) + " 1"));
    for (const char* text : {"", "0 1", "-1 1", "x", "1"}) EXPECT_FALSE(is_alive(text)) << text;
}

}  // namespace
}  // namespace spoor
