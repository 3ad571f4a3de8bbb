#include "config/tenants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "config/bounds.h"
#include "config/config.h"

namespace spoor {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::vector<TenantRule> rules_of(std::string_view yaml) {
    auto loaded = parse_config(yaml, "f.yaml");
    for (const auto& error : loaded.errors) ADD_FAILURE() << error.message;
    return loaded.config.tenants;
}

std::string error_of(std::string_view yaml) {
    const auto loaded = parse_config(yaml, "f.yaml");
    return loaded.errors.empty() ? "" : loaded.errors.front().message;
}

constexpr const char* four_rules = R"(tenants:
  - name: ci
    uid: [1000, 2000-2999]
    containers: 100
    ring_bytes: 1GiB
  - name: pods
    uid: 0
    cgroup: ["/kubepods/*", "/machine.slice/libpod-?.scope"]
    modes: strict
  - name: staff
    gid: 50
    account: together
    requests: 7
  - name: default
    connections: 3
)";

std::string name_for(const std::vector<TenantRule>& rules, const Tenant& tenant) {
    return policy_for(rules, tenant).name;
}

TEST(Tenants, TheFirstRuleThatMatchesApplies) {
    const auto rules = rules_of(four_rules);
    ASSERT_THAT(rules, SizeIs(4));
    EXPECT_EQ(name_for(rules, {1000, {50}, ""}), "ci");
    EXPECT_EQ(name_for(rules, {2000, {}, ""}), "ci");
    EXPECT_EQ(name_for(rules, {2999, {}, "/kubepods/x"}), "ci");
    EXPECT_EQ(name_for(rules, {3000, {50}, ""}), "staff");
    EXPECT_EQ(name_for(rules, {3000, {7, 50}, "/kubepods/x"}), "staff");
    EXPECT_EQ(name_for(rules, {3000, {7}, ""}), "default");
    EXPECT_EQ(name_for(rules, {0, {0}, "/kubepods/burstable/pod1"}), "pods");
    EXPECT_EQ(name_for(rules, {0, {0}, "/machine.slice/libpod-1.scope"}), "pods");
    EXPECT_EQ(name_for(rules, {0, {0}, "/system.slice"}), "default");
    EXPECT_EQ(name_for(rules, {0, {50}, ""}), "staff") << "a cgroup that is not known matches no glob";
}

TEST(Tenants, WithoutAMatchTheBuiltInRuleApplies) {
    const TenantRule& rule = policy_for({}, {1000, {}, ""});
    EXPECT_EQ(rule.name, "default");
    EXPECT_EQ(rule.line, 0u);
    EXPECT_GT(rule.containers.value, 0u);
    EXPECT_EQ(rule.modes.value, all_modes);
}

TEST(Tenants, ValuesKnowTheirLines) {
    const auto rules = rules_of(four_rules);
    EXPECT_EQ(rules[0].line, 2u);
    EXPECT_EQ(rules[0].containers.value, 100u);
    EXPECT_EQ(rules[0].containers.line, 4u);
    EXPECT_EQ(rules[0].ring_bytes.value, 1ull << 30);
    EXPECT_EQ(rules[0].ring_bytes.line, 5u);
    EXPECT_EQ(rules[0].connections.line, 0u);
    EXPECT_EQ(rules[0].connections.value, TenantRule().connections.value);
    EXPECT_EQ(rules[1].modes.value, 1u << static_cast<unsigned>(Mode::strict));
    EXPECT_EQ(rules[1].modes.line, 9u);
    EXPECT_EQ(rules[2].account.value, AccountOf::together);
    EXPECT_EQ(rules[3].connections.value, 3u);
}

TEST(Tenants, FaultsAreToldWithTheirPlace) {
    const struct {
        const char* yaml;
        const char* fault;
    } faults[] = {
        {"tenants: 3\n", "f.yaml:1:1: 'tenants' wants a list of maps, not '3'"},
        {"tenants: [x]\n", "'tenants[1]' wants a map"},
        {"tenants: [{uid: 1}]\n", "f.yaml:1:11: 'tenants[1].name' wants a name"},
        {"tenants: [{name: a b, uid: 1}]\n", "'tenants[1].name' wants a name"},
        {"tenants:\n- {name: a, uid: 1}\n- {name: a, uid: 2}\n",
         "f.yaml:3:4: 'tenants[2].name' stands in an earlier rule"},
        {"tenants: [{name: default, uid: 1}]\n", "is for the rule without uid"},
        {"tenants: [{name: a}, {name: b, uid: 1}]\n", "'tenants[2].name' is of a rule that never applies"},
        {"tenants: [{name: a, uid: 5-3}]\n",
         "'tenants[1].uid' wants user ids like 1000 or 1000-1999, not '5-3'"},
        {"tenants: [{name: a, uid: 4294967295}]\n", "wants user ids"},
        {"tenants: [{name: a, uid: []}]\n", "not an empty list"},
        {"tenants: [{name: a, gid: [x]}]\n", "'tenants[1].gid' wants group ids"},
        {"tenants: [{name: a, cgroup: kubepods}]\n", "'tenants[1].cgroup' wants globs"},
        {"tenants: [{name: a, modes: []}]\n", "not an empty list"},
        {"tenants: [{name: a, modes: [loud]}]\n", "'tenants[1].modes' wants off, warn, strict"},
        {"tenants: [{name: a, ring_bytes_each: 3MiB}]\n", "wants a power of two"},
        {"tenants: [{name: a, ring_bytes_each: 4KiB}]\n", "is at least 64KiB"},
        {"tenants: [{name: a, dedupe_entries_each: 3000}]\n", "wants a power of two from 1024 to 1048576"},
        {"tenants: [{name: a, dedupe_entries_each: 512}]\n", "wants a power of two from 1024"},
        {"tenants: [{name: a, dedupe_entries: many}]\n", "wants a whole number"},
        {"tenants: [{name: a, annotations: {x: y}}]\n",
         "'tenants[1].annotations' wants annotations of spoor's own"},
        {"tenants: [{name: a, annotations: [x]}]\n", "not a list"},
        {"tenants: [{name: a, contianers: 1}]\n",
         "unknown key 'tenants[1].contianers'; did you mean 'tenants[1].containers'?"},
        {"audit: {file: relative}\n", "'audit.file' wants an absolute path, stderr, journal"},
        {"audit: {keep: 1001}\n", "'audit.keep' is at most 1000"},
        {"metrics: {listen: \"0.0.0.0:9\"}\n", "'metrics.listen' wants 127.0.0.1:PORT"},
        {"metrics: {listen: \"127.0.0.1:0\"}\n", "'metrics.listen'"},
        {"metrics: {interval: 1ms}\n", "'metrics.interval' wants a duration"},
    };
    for (const auto& [yaml, fault] : faults) EXPECT_THAT(error_of(yaml), HasSubstr(fault)) << yaml;
}

TEST(Tenants, GlobsMatchAsTheyShould) {
    EXPECT_TRUE(matches_cgroup("*", ""));
    EXPECT_TRUE(matches_cgroup("/a", "/a"));
    EXPECT_FALSE(matches_cgroup("/a", "/a/b"));
    EXPECT_FALSE(matches_cgroup("/a/b", "/a"));
    EXPECT_TRUE(matches_cgroup("/a/*", "/a/b/c"));
    EXPECT_TRUE(matches_cgroup("/a*/c", "/ab/b/c"));
    EXPECT_TRUE(matches_cgroup("*.slice/*-?.scope", "/user.slice/x.slice/l-abc-1.scope"));
    EXPECT_FALSE(matches_cgroup("*.slice/*-?.scope", "/user.slice/l-10.scope"));
    EXPECT_FALSE(matches_cgroup("", "/a"));
}

// A tenant chooses the path: it must not cost more than a pass for each star.
TEST(Tenants, AGlobCannotBeMadeSlow) {
    const std::string path = "/" + std::string(4000, 'a');
    const clock_t before = ::clock();
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(matches_cgroup("/*a*a*a*a*a*a*a*a*a*a*b", path));
    EXPECT_LT(::clock() - before, CLOCKS_PER_SEC);
}

TEST(Bounds, AnAnnotationMayNotSayWhatTheRuleForbids) {
    TenantRule rule;
    rule.name = "ci";
    rule.modes.value = 0b110;  // warn, strict
    Config config;
    const auto off = choice_for(config, rule, {{}, Mode::off});
    ASSERT_FALSE(off);
    EXPECT_EQ(off.error().code, EPERM);
    EXPECT_EQ(off.error().message,
              "io.spoor.mode=off is not allowed to tenant ci, whose modes are warn, strict");
    const auto untraced = choice_for(config, rule, {false, {}});
    ASSERT_FALSE(untraced);
    EXPECT_THAT(untraced.error().message, HasSubstr("io.spoor.trace=false is not allowed"));
    EXPECT_EQ(choice_for(config, rule, {{}, Mode::strict})->mode, Mode::strict);
    rule.annotations.value = {{"io.spoor.mode", "strict"}};
    EXPECT_FALSE(choice_for(config, rule, {false, Mode::strict})) << "an error all the same";
}

TEST(Bounds, ASettingGivesWay) {
    const auto mode_of = [](Mode setting, bool trace, ModeSet modes) {
        Config config;
        config.mode = setting;
        config.trace = trace;
        TenantRule rule;
        rule.modes.value = modes;
        return choice_for(config, rule, {})->mode;
    };
    EXPECT_EQ(mode_of(Mode::off, true, all_modes), Mode::off);
    EXPECT_EQ(mode_of(Mode::warn, false, all_modes), Mode::off);
    EXPECT_EQ(mode_of(Mode::off, true, 0b110), Mode::warn);
    EXPECT_EQ(mode_of(Mode::warn, true, 0b100), Mode::strict);
    EXPECT_EQ(mode_of(Mode::warn, false, 0b110), Mode::warn);
    EXPECT_EQ(mode_of(Mode::strict, false, 0b110), Mode::strict) << "traced after all, then as the mode says";
    EXPECT_EQ(mode_of(Mode::strict, true, 0b011), Mode::warn);
    EXPECT_EQ(mode_of(Mode::strict, true, 0b001), Mode::off);
}

// As spoor does: what is forced stands in place of the container's own.
std::optional<Mode> forced(const std::map<std::string, std::string>& annotations, Wish wish,
                           Mode setting = Mode::warn, bool trace = true) {
    Config config;
    config.mode = setting;
    config.trace = trace;
    TenantRule rule;
    rule.annotations.value = annotations;
    if (annotations.contains("io.spoor.mode")) wish.mode = parse_mode(annotations.at("io.spoor.mode"));
    if (annotations.contains("io.spoor.trace")) wish.trace = annotations.at("io.spoor.trace") == "true";
    const auto choice = choice_for(config, rule, wish);
    return choice ? std::optional(choice->mode) : std::nullopt;
}

TEST(Bounds, AForcedModeIsTracedIn) {
    const std::map<std::string, std::string> strict{{"io.spoor.mode", "strict"}};
    EXPECT_EQ(forced(strict, {}, Mode::warn, false), Mode::strict);
    EXPECT_EQ(forced(strict, {}, Mode::off, true), Mode::strict);
    EXPECT_EQ(forced(strict, {false, Mode::off}, Mode::off, false), Mode::strict);
    EXPECT_EQ(forced({{"io.spoor.mode", "off"}}, {true, Mode::strict}), Mode::off);
    EXPECT_EQ(forced({{"io.spoor.mode", "strict"}, {"io.spoor.trace", "false"}}, {true, {}}), Mode::off)
        << "the rule says so";
}

TEST(Bounds, ForcedTracingIsTracing) {
    const std::map<std::string, std::string> traced{{"io.spoor.trace", "true"}};
    EXPECT_EQ(forced(traced, {}, Mode::warn, false), Mode::warn);
    EXPECT_EQ(forced(traced, {}, Mode::off, false), Mode::warn);
    EXPECT_EQ(forced(traced, {{}, Mode::off}, Mode::strict, false), Mode::strict);
    EXPECT_EQ(forced(traced, {false, Mode::strict}), Mode::strict);
    EXPECT_EQ(forced({{"io.spoor.mode", "off"}, {"io.spoor.trace", "true"}}, {}), Mode::off)
        << "the rule says so";
    EXPECT_EQ(forced({{"io.spoor.volume", "/v"}}, {}, Mode::warn, false), Mode::off) << "says nothing of it";
}

TEST(Bounds, RingsAndUnavailabilityAreTheRules) {
    Config config;
    config.on_unavailable = OnUnavailable::run;
    TenantRule rule;
    rule.ring_bytes_each.value = 1u << 18;
    rule.on_unavailable.value = OnUnavailable::refuse;
    const auto choice = choice_for(config, rule, {});
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->on_unavailable, OnUnavailable::refuse);
    EXPECT_EQ(choice->ring_initial, 1u << 18);
    EXPECT_EQ(choice->ring_max, 1u << 18);
    EXPECT_EQ(choice_for(config, TenantRule(), {})->on_unavailable, OnUnavailable::run);
}

}  // namespace
}  // namespace spoor
