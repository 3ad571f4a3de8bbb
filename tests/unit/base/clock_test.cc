#include "base/clock.h"

#include <gtest/gtest.h>

namespace spoor {
namespace {

TEST(Rfc3339, IsUtcWithMicroseconds) {
    EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(rfc3339(951'782'400'000'001'999), "2000-02-29T00:00:00.000001Z");
    EXPECT_EQ(rfc3339(1'798'761'599'999'999'999), "2026-12-31T23:59:59.999999Z");
}

TEST(WallClock, KeepsTheDistanceOfTwoBootTimes) {
    const WallClock clock;
    const uint64_t now = boot_time_ns();
    EXPECT_LT(clock.rfc3339(now), clock.rfc3339(now + 1'000));
    EXPECT_EQ(clock.rfc3339(now), clock.rfc3339(now));
}

}  // namespace
}  // namespace spoor
