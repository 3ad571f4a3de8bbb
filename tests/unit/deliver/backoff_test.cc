#include "shim/deliver/backoff.h"

#include <gtest/gtest.h>

namespace spoor {
namespace {

TEST(Backoff, DoublesUpToItsMaximum) {
    EXPECT_EQ(backoff_ms(1, 100, 1000, 1), 100u);
    EXPECT_EQ(backoff_ms(2, 100, 1000, 1), 200u);
    EXPECT_EQ(backoff_ms(4, 100, 1000, 1), 800u);
    EXPECT_EQ(backoff_ms(5, 100, 1000, 1), 1000u);
    EXPECT_EQ(backoff_ms(4'000'000'000u, 100, 1000, 1), 1000u);
    EXPECT_EQ(backoff_ms(3, 5000, 1000, 1), 1000u);
}

TEST(Backoff, IsSpreadOverTheWholeRange) {
    EXPECT_EQ(backoff_ms(3, 100, 1000, 0), 0u);
    EXPECT_EQ(backoff_ms(3, 100, 1000, 0.25), 100u);
    EXPECT_EQ(backoff_ms(3, 100, 1000, 7), 400u);
}

TEST(Backoff, DoesNotOverflow) {
    EXPECT_EQ(backoff_ms(200, 1ull << 61, 1ull << 62, 0.5), 1ull << 61);
    EXPECT_EQ(backoff_ms(200, 3, 1ull << 62, 1), 1ull << 62);
}

}  // namespace
}  // namespace spoor
