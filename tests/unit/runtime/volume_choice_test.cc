#include "shim/runtime/volume_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/runtime/environment.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using Kind = VolumePlace::Kind;
using testing::HasSubstr;
namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0 ? st.st_mode & 07777 : 0;
}

class VolumeChoice : public testing::Test {
protected:
    VolumeChoice() { bundle_.dir = dir_ / "bundle"; }

    Result<VolumePlace> choose() {
        return choose_volume(config_, dir_ / "state", bundle_, spec_, annotations_, "c1");
    }

    test::TempDir dir_;
    Config config_;
    Bundle bundle_;
    Spec spec_;
    SpoorAnnotations annotations_;
};

TEST_F(VolumeChoice, ByDefaultSpoorsOwn) {
    const auto place = choose();
    ASSERT_TRUE(place);
    EXPECT_EQ(place->kind, Kind::own);
    EXPECT_EQ(place->path, dir_ / "state/volumes/c1");
    EXPECT_EQ(place->mount_path, "/run/spoor");
}

TEST_F(VolumeChoice, TheAnnotationComesBeforeThat) {
    annotations_.volume = dir_ / "v";
    annotations_.mount = "/trail";
    const auto place = choose();
    ASSERT_TRUE(place);
    EXPECT_EQ(place->kind, Kind::annotation);
    EXPECT_EQ(place->path, dir_ / "v");
    EXPECT_EQ(place->mount_path, "/trail");
}

TEST_F(VolumeChoice, TheUsersMountComesFirst) {
    fs::create_directories(dir_ / "bundle/data");
    annotations_.volume = dir_ / "v";
    spec_.mounts = {{"/other", "/x", "bind", {}}, {"/run//spoor/", "data", "", {"rbind", "ro"}}};
    const auto place = choose();
    ASSERT_TRUE(place) << place.error().message;
    EXPECT_EQ(place->kind, Kind::user_mount);
    EXPECT_EQ(place->path, dir_ / "bundle/data");
    EXPECT_TRUE(place->user_mount_read_only);
}

TEST_F(VolumeChoice, ATmpfsThereCannotBeReached) {
    spec_.mounts = {{"/run/spoor", "tmpfs", "tmpfs", {}}};
    EXPECT_EQ(choose()->kind, Kind::own);
    // Mounted over the user's own, so that is not what the container sees.
    spec_.mounts = {{"/run/spoor", dir_.path(), "bind", {}}, {"/run/spoor", "tmpfs", "tmpfs", {}}};
    EXPECT_EQ(choose()->kind, Kind::own);
}

TEST_F(VolumeChoice, SourcesThatLeadNowhere) {
    spec_.mounts = {{"/run/spoor", dir_ / "none", "bind", {}}};
    EXPECT_THAT(choose().error().message, HasSubstr("volume " + (dir_ / "none") + ": No such file"));
    spec_.mounts.clear();
    annotations_.volume = dir_ / "none/v";
    EXPECT_EQ(choose().error().code, ENOENT);
}

TEST_F(VolumeChoice, LinksAboveTheVolumeAreResolved) {
    fs::create_directory(dir_ / "real");
    fs::create_symlink(dir_ / "real", dir_ / "link");
    annotations_.volume = dir_ / "link/v";
    EXPECT_EQ(choose()->path, dir_ / "real/v");
}

TEST_F(VolumeChoice, PreparedWithBothDirectories) {
    const mode_t before = ::umask(077);
    const auto volume = [this] {
        const UmaskGuard umask;
        return PreparedVolume::prepare(*choose());
    }();
    EXPECT_EQ(::umask(before), 077u);
    ASSERT_TRUE(volume) << volume.error().message;
    EXPECT_TRUE(volume->own());
    EXPECT_EQ(mode_of(dir_ / "state/volumes"), 0711u);
    EXPECT_EQ(mode_of(dir_ / "state/volumes/c1"), 0755u);
    EXPECT_EQ(mode_of(dir_ / "state/volumes/c1/trace"), 0755u);
    EXPECT_EQ(mode_of(dir_ / "state/volumes/c1/agent"), 01777u);
}

TEST_F(VolumeChoice, AnOldOwnVolumeStepsAside) {
    dir_.write("state/volumes/c1/trace/session.json", "old");
    dir_.write("state/volumes/c1.1/trace/session.json", "older");
    ASSERT_TRUE(PreparedVolume::prepare(*choose()));
    EXPECT_EQ(dir_.read("state/volumes/c1.2/trace/session.json"), "old");
    EXPECT_EQ(dir_.read("state/volumes/c1.1/trace/session.json"), "older");
    EXPECT_FALSE(fs::exists(dir_ / "state/volumes/c1/trace/session.json"));
}

TEST_F(VolumeChoice, AVolumeThatIsThereKeepsItsContent) {
    dir_.write("v/agent/task.json", "x");
    annotations_.volume = dir_ / "v";
    auto volume = PreparedVolume::prepare(*choose());
    ASSERT_TRUE(volume);
    EXPECT_FALSE(volume->own());
    EXPECT_EQ(dir_.read("v/agent/task.json"), "x");
    volume->undo();
    EXPECT_EQ(dir_.tree(), (std::set<std::string>{"v", "v/agent", "v/agent/task.json"}));
}

TEST_F(VolumeChoice, UndoLeavesNothing) {
    annotations_.volume = dir_ / "v";
    auto volume = PreparedVolume::prepare(*choose());
    ASSERT_TRUE(volume);
    dir_.write("v/trace/session.json", "");
    volume->undo();
    EXPECT_TRUE(dir_.tree().empty());
}

TEST_F(VolumeChoice, WhatIsNoDirectoryIsRefusedAndNothingMade) {
    dir_.write("file", "");
    fs::create_directory(dir_ / "real");
    fs::create_symlink(dir_ / "real", dir_ / "link");
    fs::create_symlink(dir_ / "nothing", dir_ / "dangling");
    const auto before = dir_.tree();
    for (const auto& [name, text] :
         {std::pair{"file", "is no directory"}, std::pair{"link", "is a symbolic link"},
          std::pair{"dangling", "is a symbolic link"}}) {
        annotations_.volume = dir_ / name;
        const auto volume = PreparedVolume::prepare(*choose());
        ASSERT_FALSE(volume) << name;
        EXPECT_THAT(volume.error().message, HasSubstr(text));
        EXPECT_THAT(volume.error().message, HasSubstr(dir_ / name));
        EXPECT_EQ(dir_.tree(), before);
    }
}

TEST_F(VolumeChoice, PlantedPartsAreRefused) {
    fs::create_directories(dir_ / "v");
    fs::create_directory(dir_ / "real");
    fs::create_symlink(dir_ / "real", dir_ / "v/agent");
    annotations_.volume = dir_ / "v";
    const auto volume = PreparedVolume::prepare(*choose());
    ASSERT_FALSE(volume);
    EXPECT_THAT(volume.error().message, HasSubstr("v/agent is a symbolic link"));
    EXPECT_FALSE(fs::exists(dir_ / "v/trace"));
    EXPECT_TRUE(fs::is_empty(dir_ / "real"));
}

TEST_F(VolumeChoice, HostRootKeepsToItsRoots) {
    if (::geteuid() != 0) GTEST_SKIP() << "directories of root's own";
    const std::vector<std::string> roots{dir_ / "roots", "/nonexistent"};
    fs::create_directories(dir_ / "roots/tenant");
    const auto check = [&](const std::string& path, Kind kind = Kind::annotation, bool read_only = false) {
        VolumePlace place;
        place.kind = kind;
        place.path = path;
        place.mount_path = "/run/spoor";
        place.user_mount_read_only = read_only;
        const auto status = check_host_root_volume(place, roots);
        return status ? std::string() : status.error().message;
    };
    EXPECT_EQ(check(dir_ / "roots/v"), "");
    EXPECT_EQ(check(dir_ / "roots/tenant/v"), "");
    EXPECT_THAT(check("/etc"), HasSubstr("must lie beneath volumes.roots (" + roots[0] + ", /nonexistent)"));
    EXPECT_THAT(check(dir_ / "roots"), HasSubstr("beneath"));
    EXPECT_THAT(check(dir_ / "roots2/v"), HasSubstr("beneath"));
    // Who can exchange a directory on the way can send the mount anywhere.
    fs::permissions(dir_ / "roots/tenant", fs::perms(0777));
    EXPECT_THAT(check(dir_ / "roots/tenant/v"), HasSubstr("only root can write"));
    EXPECT_EQ(check(dir_ / "roots/v"), "");

    EXPECT_EQ(check("/data", Kind::user_mount), "");
    EXPECT_THAT(check("/data", Kind::user_mount, true), HasSubstr("read-only"));
    EXPECT_EQ(check(dir_ / "roots/v", Kind::user_mount, true), "");
}

TEST(VolumeMounts, OfAVolumeOfOurs) {
    const auto mounts = volume_mounts({Kind::own, "/v", "/run/spoor", false}, "/v");
    ASSERT_EQ(mounts.size(), 2u);
    EXPECT_EQ(mounts[0].source, "/v");
    EXPECT_EQ(mounts[0].destination, "/run/spoor");
    EXPECT_TRUE(mounts[0].read_only);
    EXPECT_EQ(mounts[1].destination, "/run/spoor/agent");
    EXPECT_FALSE(mounts[1].read_only);
}

TEST(VolumeMounts, OfTheUsers) {
    const auto mounts = volume_mounts({Kind::user_mount, "/v", "/run/spoor", false}, "/v");
    ASSERT_EQ(mounts.size(), 1u);
    EXPECT_EQ(mounts[0].source, "/v/trace");
    EXPECT_EQ(mounts[0].destination, "/run/spoor/trace");
    EXPECT_TRUE(mounts[0].read_only);
}

}  // namespace
}  // namespace spoor
