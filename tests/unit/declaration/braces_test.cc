#include "signal/declaration/braces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> expand(std::string_view pattern) {
    size_t work = 1u << 30;
    auto all = expand_braces(pattern, {}, work);
    EXPECT_TRUE(all) << all.error().message;
    return all ? *all : std::vector<std::string>();
}

std::string error_of(std::string_view pattern) {
    size_t work = 1u << 30;
    const auto all = expand_braces(pattern, {}, work);
    return all ? "" : all.error().message;
}

std::string repeated(std::string_view text, size_t times) {
    std::string out;
    while (times-- > 0) out += text;
    return out;
}

TEST(Braces, ListsRangesAndWhatIsNeither) {
    EXPECT_THAT(expand("a{b,c{d,e}}f"), ElementsAre("abf", "acdf", "acef"));
    EXPECT_THAT(expand("{1..3}"), ElementsAre("1", "2", "3"));
    EXPECT_THAT(expand("{08..11}"), ElementsAre("08", "09", "10", "11"));
    EXPECT_THAT(expand("{5..1..2}"), ElementsAre("5", "3", "1"));
    EXPECT_THAT(expand("{-1..1}"), ElementsAre("-1", "0", "1"));
    EXPECT_THAT(expand("{a..g..3}"), ElementsAre("a", "d", "g"));
    EXPECT_THAT(expand("a{b}c"), ElementsAre("a{b}c"));
    EXPECT_THAT(expand("a{b,c"), ElementsAre("a{b,c"));
    EXPECT_THAT(expand("${a,b}"), ElementsAre("${a,b}"));
    EXPECT_THAT(expand("x{{a,b}}y"), ElementsAre("x{a}y", "x{b}y"));
    EXPECT_THAT(expand("{a},b}"), ElementsAre("a}", "b"));
    EXPECT_THAT(expand("{a,a}"), ElementsAre("a"));
}

TEST(Braces, EscapesAreTakenOffOnlyIfThereIsAGroup) {
    EXPECT_THAT(expand("a\\{b"), ElementsAre("a\\{b"));
    EXPECT_THAT(expand("\\{a,b}{c,d}"), ElementsAre("{a,b}c", "{a,b}d"));
    EXPECT_THAT(expand("{a\\,b,c}"), ElementsAre("a,b", "c"));
    EXPECT_THAT(expand("\\*{a,b}"), ElementsAre("\\*a", "\\*b"));
}

TEST(Braces, HostileOnesAreRefusedAtOnce) {
    EXPECT_THAT(error_of("{1..10001}"), HasSubstr("more than 10000"));
    EXPECT_THAT(error_of(repeated("{a,b}", 30)), HasSubstr("more than 10000"));
    EXPECT_THAT(error_of(repeated("{a,", 100) + "b" + repeated("}", 100)), HasSubstr("nested"));
    EXPECT_THAT(error_of("{" + repeated("x", 200) + "," + "y}" + repeated("z", 1000) + "{1..9000}"),
                HasSubstr("bytes"));
    EXPECT_EQ(error_of("{1..9999999999999999999}"), "");  // no number: text
    // Quadratic in other implementations.
    EXPECT_THAT(error_of("{a}" + repeated("}", 60'000) + ",z}"), HasSubstr("too long"));
    EXPECT_EQ(error_of(repeated("{", 60'000)), "");
}

TEST(Braces, WorkIsTakenFromWhatASetMaySpend) {
    size_t work = 1000;
    EXPECT_TRUE(expand_braces("{a,b}", {}, work));
    EXPECT_LT(work, 1000u);
    work = 10;
    EXPECT_FALSE(expand_braces("{a,b}", {}, work));
    EXPECT_EQ(work, 0u);
    EXPECT_TRUE(expand_braces("plain", {}, work));
}

}  // namespace
}  // namespace spoor
