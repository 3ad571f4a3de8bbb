#include "config/values.h"

#include <gtest/gtest.h>

namespace spoor {
namespace {

using namespace std::chrono_literals;

TEST(Duration, HasANumberAndAUnit) {
    EXPECT_EQ(parse_duration("500ms"), 500ms);
    EXPECT_EQ(parse_duration("2s"), 2000ms);
    EXPECT_EQ(parse_duration("3m"), 180000ms);
    EXPECT_EQ(parse_duration("12h"), 12h);
    EXPECT_EQ(parse_duration("3d"), 72h);
    EXPECT_EQ(parse_duration("0s"), 0ms);
    for (const char* text : {"", "2", "s", "2 s", "-1s", "+1s", "1.5s", "2S", "2s ", "0x2s", "2w"})
        EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Duration, DoesNotOverflow) {
    EXPECT_EQ(parse_duration("99999999999999999999ms"), std::nullopt);
    EXPECT_EQ(parse_duration("9223372036854775807m"), std::nullopt);
    EXPECT_EQ(parse_duration("9223372036854775807ms")->count(), INT64_MAX);
}

TEST(Size, HasBinaryUnits) {
    EXPECT_EQ(parse_size("512KiB"), 524288u);
    EXPECT_EQ(parse_size("4MiB"), 4194304u);
    EXPECT_EQ(parse_size("1GiB"), 1073741824u);
    EXPECT_EQ(parse_size("17"), 17u);
    EXPECT_EQ(parse_size("17B"), 17u);
    for (const char* text : {"", "KiB", "512KB", "512K", "512 KiB", "-1", "1e3", "99999999999GiB"})
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(Number, IsPlain) {
    EXPECT_EQ(parse_number("64"), 64u);
    EXPECT_EQ(parse_number("64KiB"), std::nullopt);
    EXPECT_EQ(parse_number("-1"), std::nullopt);
}

}  // namespace
}  // namespace spoor
