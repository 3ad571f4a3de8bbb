#include "shim/broker/subordinate_ids.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace spoor::broker {
namespace {

class SubordinateIdsTest : public testing::Test {
protected:
    SubordinateIds read(const std::string& ranges) {
        const std::string users =
            "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbad\nbob:x:1001:1001::/:\n";
        directory_.write("subuid", ranges);
        directory_.write("passwd", users);
        return SubordinateIds::read(directory_ / "subuid", directory_ / "passwd");
    }
    test::TempDir directory_;
};

TEST_F(SubordinateIdsTest, ARangeIsItsUsers) {
    const auto ids = read("alice:100000:65536\n1001:165536:10\n");
    EXPECT_EQ(ids.owner_of(99999), 99999u);
    EXPECT_EQ(ids.owner_of(100000), 1000u);
    EXPECT_EQ(ids.owner_of(165535), 1000u);
    EXPECT_EQ(ids.owner_of(165536), 1001u);
    EXPECT_EQ(ids.owner_of(165545), 1001u);
    EXPECT_EQ(ids.owner_of(165546), 165546u);
    EXPECT_EQ(ids.owner_of(1000), 1000u);
    EXPECT_EQ(ids.owner_of(0), 0u);
}

TEST_F(SubordinateIdsTest, WhatIsNoRangeIsPassedOver) {
    const auto ids = read(
        "\n# a comment\ncarol:100:10\nalice:200\nalice:x:10\nalice:300:0\nalice:400:10:1\nalice:-5:10\n"
        "bob:4294967290:100\nroot:500:10\n0:600:10\nbob:700:99999999999\n");
    for (const uid_t uid : {100u, 105u, 200u, 300u, 400u, 500u, 505u, 600u, 700u})
        EXPECT_EQ(ids.owner_of(uid), uid);
    EXPECT_EQ(ids.owner_of(4294967295u), 1001u) << "a range beyond all uids ends there";
}

TEST_F(SubordinateIdsTest, FilesThatAreNotThereAreEmpty) {
    const auto ids = SubordinateIds::read(directory_ / "none", directory_ / "none");
    EXPECT_EQ(ids.owner_of(100000), 100000u);
}

}  // namespace
}  // namespace spoor::broker
