#include "oci/mount_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class MountPointTest : public testing::Test {
protected:
    MountPointTest() {
        fs::create_directories(bundle_ / "rootfs");
        spec_.root_path = "rootfs";
    }

    MountPoint find(const std::string& destination = "/run/spoor") {
        return find_mount_point(spec_, bundle_, destination);
    }
    // As a runtime does.
    static void make(const MountPoint& place) {
        for (const auto& path : place.missing) fs::create_directory(fs::path(place.root) / path);
    }

    test::TempDir directory_;
    const fs::path bundle_ = directory_.path();
    Spec spec_;
};

TEST_F(MountPointTest, AllThatIsMissingInTheRootGoesAgain) {
    const auto place = find();
    EXPECT_EQ(place.root, bundle_ / "rootfs");
    EXPECT_THAT(place.missing, ElementsAre("run", "run/spoor"));
    make(place);
    remove_mount_point(place);
    EXPECT_TRUE(fs::is_empty(bundle_ / "rootfs"));
}

TEST_F(MountPointTest, WhatWasThereStays) {
    fs::create_directories(bundle_ / "rootfs/run");
    const auto place = find();
    EXPECT_THAT(place.missing, ElementsAre("run/spoor"));
    make(place);
    remove_mount_point(place);
    EXPECT_TRUE(fs::is_empty(bundle_ / "rootfs/run"));
    fs::create_directories(bundle_ / "rootfs/run/spoor");
    EXPECT_THAT(find().missing, IsEmpty());
}

TEST_F(MountPointTest, WhatIsNotEmptyStays) {
    const auto place = find();
    make(place);
    std::ofstream(bundle_ / "rootfs/run/file") << "of the container";
    remove_mount_point(place);
    EXPECT_FALSE(fs::exists(bundle_ / "rootfs/run/spoor"));
    EXPECT_TRUE(fs::exists(bundle_ / "rootfs/run/file"));
}

TEST_F(MountPointTest, TheLastMountAboveCounts) {
    fs::create_directories(bundle_ / "volume");
    spec_.mounts = {{"/run", "tmpfs", "tmpfs", {}}, {"/other", "/", "bind", {"bind"}}};
    EXPECT_THAT(find().missing, IsEmpty());
    spec_.mounts.push_back({"/run/", "volume", "bind", {"rbind"}});
    const auto place = find();
    EXPECT_EQ(place.root, bundle_ / "volume");
    EXPECT_THAT(place.missing, ElementsAre("spoor"));
    make(place);
    remove_mount_point(place);
    EXPECT_TRUE(fs::is_empty(bundle_ / "volume"));
    spec_.mounts.push_back({"/run/spoor", "tmpfs", "tmpfs", {}});
    EXPECT_THAT(find().missing, IsEmpty());
}

TEST_F(MountPointTest, LinksLeadNowhereElse) {
    fs::create_directories(bundle_ / "outside");
    fs::create_directories(bundle_ / "rootfs/real");
    const auto place = find();
    // The container turns run into a link that climbs out; in its own root that is "/outside", not ours.
    fs::create_directory_symlink("../outside", bundle_ / "rootfs/run");
    fs::create_directories(bundle_ / "outside/spoor");
    remove_mount_point(place);
    EXPECT_TRUE(fs::exists(bundle_ / "outside/spoor"));
    fs::remove(bundle_ / "rootfs/run");
    fs::create_directory_symlink("/real", bundle_ / "rootfs/run");
    EXPECT_THAT(find().missing, ElementsAre("run/spoor"));
}

TEST_F(MountPointTest, NothingIsKnownOfAMissingRoot) {
    spec_.root_path = "nothing";
    EXPECT_THAT(find().missing, IsEmpty());
    remove_mount_point({(bundle_ / "nothing").string(), {"run"}});
}

}  // namespace
}  // namespace spoor
