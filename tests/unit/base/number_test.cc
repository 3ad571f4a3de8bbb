#include "base/number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace spoor {
namespace {

TEST(Number, IsAllOfTheText) {
    EXPECT_EQ(number_in<int>("0"), 0);
    EXPECT_EQ(number_in<int>("-12"), -12);
    EXPECT_EQ(number_in<uint64_t>("00018446744073709551615"), UINT64_MAX);
    for (const char* text : {"", "-", "+1", " 1", "1 ", "1x", "x", "0x10", "1.0"})
        EXPECT_FALSE(number_in<int>(text)) << text;
}

TEST(Number, Fits) {
    EXPECT_EQ(number_in<uint16_t>("65535"), 65535);
    EXPECT_FALSE(number_in<uint16_t>("65536"));
    EXPECT_FALSE(number_in<uint16_t>("-1"));
}

}  // namespace
}  // namespace spoor
