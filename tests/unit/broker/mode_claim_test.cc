#include "shim/broker/mode_claim.h"

#include <gmock/gmock.h>

#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {
namespace {

using testing::HasSubstr;

constexpr uint32_t off = 0, warn = 1, strict = 2;

std::string verdict(const TenantRule& rule, uint32_t word) {
    const auto claim = parse_mode_claim(word);
    return claim ? forbidden_by(rule, *claim).value_or("allowed") : "malformed";
}

TEST(ModeClaim, WhoeverMayHaveAllNeedNotSay) {
    const TenantRule rule;
    EXPECT_EQ(verdict(rule, 0), "allowed");
    EXPECT_EQ(verdict(rule, modes_word(off, all_modes)), "allowed");
    EXPECT_EQ(verdict(rule, modes_word(strict, 0b100)), "allowed");
}

TEST(ModeClaim, OthersMustSayWhatTheyMayHave) {
    TenantRule rule;
    rule.name = "ci";
    rule.modes.value = 0b110;
    EXPECT_THAT(verdict(rule, 0), HasSubstr("does not say which mode"));
    EXPECT_EQ(verdict(rule, modes_word(warn, 0b110)), "allowed");
    EXPECT_EQ(verdict(rule, modes_word(off, 0b110)),
              "mode off is not allowed to tenant ci, whose modes are warn, strict");
    EXPECT_EQ(verdict(rule, modes_word(warn, 0b111)),
              "tasks of mode off are not allowed to tenant ci, whose modes are warn, strict");
}

TEST(ModeClaim, AForcedModeIsTheOnlyOne) {
    TenantRule rule;
    rule.annotations.value = {{"io.spoor.mode", "strict"}};
    EXPECT_EQ(verdict(rule, modes_word(strict, all_modes)), "allowed");
    EXPECT_EQ(verdict(rule, modes_word(warn, all_modes)),
              "mode strict is forced on tenant default, and not warn");
    EXPECT_THAT(verdict(rule, 0), HasSubstr("does not say which mode"));
}

TEST(ModeClaim, WordsThatAreNone) {
    const TenantRule rule;
    for (const uint32_t word : {1u, modes_word(3, 1), modes_word(warn, 0), modes_word(warn, 8),
                                modes_word(warn, 1) | 1u << 16, modes_word(warn, 1) & ~modes_said})
        EXPECT_EQ(verdict(rule, word), "malformed") << word;
}

}  // namespace
}  // namespace spoor::broker
