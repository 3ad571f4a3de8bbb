#include "oci/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

// A procfs and cgroup trees made of plain files. "@" in the mountinfo stands for their directory.
class Cgroup : public testing::Test {
protected:
    Cgroup() {
        fs::create_directories(dir_ + "/proc/self");
        fs::create_directories(dir_ + "/proc/7");
    }

    void write(const std::string& name, std::string text) {
        for (size_t at = 0; (at = text.find('@', at)) != std::string::npos;) text.replace(at, 1, dir_);
        std::ofstream(dir_ + "/proc/" + name) << text;
    }
    void make(const std::string& path) { fs::create_directories(dir_ + "/" + path); }
    void host(const std::string& self, const std::string& container, const std::string& mountinfo) {
        write("self/cgroup", self);
        write("7/cgroup", container);
        write("self/mountinfo", mountinfo);
    }
    Result<ContainerCgroup> open() { return open_container_cgroup(7, dir_ + "/proc"); }
    void expect_found(const std::string& path, int version, const std::string& hierarchy) {
        const auto found = open();
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(found->path, dir_ + "/" + path);
        EXPECT_EQ(found->version, version);
        EXPECT_EQ(found->hierarchy, hierarchy);
        struct stat opened {};
        struct stat named {};
        ASSERT_EQ(::fstat(found->dir.get(), &opened), 0);
        ASSERT_EQ(::stat(found->path.c_str(), &named), 0);
        EXPECT_EQ(opened.st_ino, named.st_ino);
    }

    static constexpr const char* v2_mount =
        "30 20 0:26 / @/cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    static constexpr const char* v1_mounts =
        "31 20 0:28 / @/cg/memory rw - cgroup cgroup rw,memory\n"
        "32 20 0:29 / @/cg/pids rw - cgroup cgroup rw,pids\n"
        "33 20 0:30 / @/cg/freezer rw - cgroup cgroup rw,freezer\n"
        "34 20 0:31 / @/cg/unified rw - cgroup2 cgroup2 rw\n";
    test::TempDir directory_;
    const std::string& dir_ = directory_.path();
};

TEST(CgroupToBe, IsWhereCrunMakesIt) {
    EXPECT_EQ(cgroup_to_be("", "c1"), "/c1");
    EXPECT_EQ(cgroup_to_be("/a/b/c1", "x"), "/a/b/c1");
    EXPECT_EQ(cgroup_to_be("a/b", "x"), "/a/b");
}

TEST(CgroupToBe, IsNotKnownOfSystemdsNorOfUnusualOnes) {
    for (const char* path : {"user.slice:libpod:c1", "/", "/a/", "/a/../b", ".."})
        EXPECT_EQ(cgroup_to_be(path, "c1"), "") << path;
}

TEST_F(Cgroup, OnV2) {
    make("cg/user.slice/libpod-1.scope/container");
    host("0::/user.slice/conmon.scope\n", "0::/user.slice/libpod-1.scope/container\n", v2_mount);
    expect_found("cg/user.slice/libpod-1.scope/container", 2, "v2");
}

TEST_F(Cgroup, NamesMayHoldColonsAndSpaces) {
    make("cg/a:b c");
    host("0::/me\n", "0::/a:b c\n", v2_mount);
    expect_found("cg/a:b c", 2, "v2");
}

TEST_F(Cgroup, OnV1ByPids) {
    make("cg/pids/machine/c1");
    host("9:name=systemd:/\n8:pids:/\n4:memory:/m\n0::/\n", "8:pids:/machine/c1\n4:memory:/m/c1\n0::/\n",
         v1_mounts);
    expect_found("cg/pids/machine/c1", 1, "pids");
}

TEST_F(Cgroup, OnV1ByFreezerIfPidsAreShared) {
    make("cg/freezer/c1");
    host("8:pids:/\n6:freezer:/\n0::/\n", "8:pids:/\n6:freezer:/c1\n0::/\n", v1_mounts);
    expect_found("cg/freezer/c1", 1, "freezer");
}

TEST_F(Cgroup, OnHybridHostsV2WinsIfItIsTheContainersOwn) {
    make("cg/unified/c1");
    make("cg/pids/c1");
    host("8:pids:/\n0::/me\n", "8:pids:/c1\n0::/c1\n", v1_mounts);
    expect_found("cg/unified/c1", 2, "v2");
}

TEST_F(Cgroup, CoMountedControllers) {
    make("cg/c1");
    host("5:cpu,pids:/\n", "5:cpu,pids:/c1\n", "32 20 0:29 / @/cg rw - cgroup cgroup rw,cpu,pids\n");
    expect_found("cg/c1", 1, "pids");
}

TEST_F(Cgroup, SharedWithTheManagerIsRefused) {
    for (const char* container : {"/me", "/", "/a"}) {
        make("cg/me");
        make("cg/a/me");
        host(std::string("0::") + (container == std::string("/a") ? "/a/me" : "/me") + "\n",
             std::string("0::") + container + "\n", v2_mount);
        const auto found = open();
        ASSERT_FALSE(found) << container;
        EXPECT_THAT(found.error().message, HasSubstr("shares the cgroup of its manager"));
    }
}

TEST_F(Cgroup, ANameThatOnlyBeginsAlikeIsAnother) {
    make("cg/me");
    host("0::/me2\n", "0::/me\n", v2_mount);
    expect_found("cg/me", 2, "v2");
}

TEST_F(Cgroup, ThroughAMountOfASubtree) {
    make("sub/c1");
    host("0::/slice/me\n", "0::/slice/user/c1\n", "30 20 0:26 /slice/user @/sub rw - cgroup2 none rw\n");
    expect_found("sub/c1", 2, "v2");
}

TEST_F(Cgroup, TheNearestMountWins) {
    make("sub/c1");
    make("cg/slice/c1");
    host("0::/me\n", "0::/slice/c1\n",
         std::string("31 20 0:26 /slice @/sub rw - cgroup2 none rw\n") + v2_mount);
    expect_found("sub/c1", 2, "v2");
}

TEST_F(Cgroup, MountPointsAreUnescaped) {
    make("c g/c1");
    host("0::/me\n", "0::/c1\n", "30 20 0:26 / @/c\\040g rw - cgroup2 none rw\n");
    expect_found("c g/c1", 2, "v2");
}

TEST_F(Cgroup, OutsideTheNamespaceNothingIsFound) {
    host("0::/me\n", "0::/../other\n", v2_mount);
    EXPECT_EQ(open().error().code, ENOENT);
    host("0::/me\n", "0::/c1\n", "30 20 0:26 /.. @/cg rw - cgroup2 none rw\n");
    EXPECT_EQ(open().error().code, ENOENT);
}

TEST_F(Cgroup, WhatWasLookedForIsTold) {
    host("4:memory:/\n", "4:memory:/c1\n", v1_mounts);
    EXPECT_THAT(open().error().message, HasSubstr("(looked for cgroup2, pids, freezer)"));
    EXPECT_THAT(open_container_freezer(7, dir_ + "/proc").error().message,
                HasSubstr("(looked for cgroup2, freezer)"));
}

// What is written to it, and where that arrives.
TEST_F(Cgroup, TheFreezerOfV2) {
    make("cg/c1");
    std::ofstream(dir_ + "/cg/c1/cgroup.freeze") << "0";
    host("0::/me\n", "0::/c1\n", v2_mount);
    const auto freezer = open_container_freezer(7, dir_ + "/proc");
    ASSERT_TRUE(freezer) << freezer.error().message;
    EXPECT_EQ(freezer->thaw, "0");
    ASSERT_EQ(::write(freezer->file.get(), freezer->freeze.data(), freezer->freeze.size()), 1);
    EXPECT_EQ(directory_.read("cg/c1/cgroup.freeze"), "1");
}

TEST_F(Cgroup, TheFreezerOfV1IsInItsOwnHierarchy) {
    make("cg/pids/c1");
    make("cg/freezer/c2");
    std::ofstream(dir_ + "/cg/freezer/c2/freezer.state") << "THAWED";
    host("8:pids:/\n6:freezer:/\n", "8:pids:/c1\n6:freezer:/c2\n", v1_mounts);
    const auto freezer = open_container_freezer(7, dir_ + "/proc");
    ASSERT_TRUE(freezer) << freezer.error().message;
    EXPECT_EQ(freezer->freeze, "FROZEN");
    EXPECT_EQ(freezer->thaw, "THAWED");
    ASSERT_EQ(::write(freezer->file.get(), freezer->freeze.data(), freezer->freeze.size()), 6);
    EXPECT_EQ(directory_.read("cg/freezer/c2/freezer.state"), "FROZEN");
}

TEST_F(Cgroup, WithoutAFreezerNothingIsFrozen) {
    make("cg/c1");
    host("0::/me\n", "0::/c1\n", v2_mount);
    const auto freezer = open_container_freezer(7, dir_ + "/proc");
    ASSERT_FALSE(freezer);
    EXPECT_EQ(freezer.error().code, ENOENT);
    EXPECT_THAT(freezer.error().message, HasSubstr("cg/c1/cgroup.freeze"));
}

TEST_F(Cgroup, EndedProcesses) {
    host("0::/me\n", "0::/c1 (deleted)\n", v2_mount);
    EXPECT_EQ(open().error().code, ESRCH);
    fs::remove(dir_ + "/proc/7/cgroup");
    EXPECT_EQ(open().error().code, ENOENT);
}

TEST_F(Cgroup, ALinkIsNotFollowed) {
    make("cg/real");
    fs::create_symlink(dir_ + "/cg/real", dir_ + "/cg/c1");
    host("0::/me\n", "0::/c1\n", v2_mount);
    EXPECT_FALSE(open());
}

TEST(CgroupText, GarbageIsPassedOver) {
    EXPECT_THAT(parse_cgroup_entries("\n:\n::\nx\n0:/y\n0::relative\n"), IsEmpty());
    EXPECT_THAT(parse_cgroup_mounts("\n- cgroup2\n1 2 3 4 5 6 - cgroup2\n1 2 3 / /m rw - tmpfs t rw\n"),
                IsEmpty());
    const auto entries = parse_cgroup_entries("3:cpu,cpuacct:/a");
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_THAT(entries[0].controllers, ElementsAre("cpu", "cpuacct"));
    const auto mounts = parse_cgroup_mounts("1 2 3 / /m\\1 rw a b c - cgroup2 none rw");
    ASSERT_EQ(mounts.size(), 1u);
    EXPECT_EQ(mounts[0].mount_point, "/m\\1");
}

TEST(CgroupOfThisProcess, IsItsOwn) {
    const auto found = open_container_cgroup(::getpid());
    ASSERT_FALSE(found);
}

}  // namespace
}  // namespace spoor
