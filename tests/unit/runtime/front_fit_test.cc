// What shim/front calls a fit spec against the parsers of spoor-runtime: the front may doubt, and must never
// call fit what these do not take.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "config/bounds.h"
#include "oci/annotations.h"
#include "oci/augment.h"
#include "oci/bundle.h"
#include "shim/front/certain.h"

namespace spoor {
namespace {

constexpr ModeSet only(Mode mode) { return static_cast<ModeSet>(1u << static_cast<unsigned>(mode)); }
constexpr ModeSet traced_modes[] = {only(Mode::warn), only(Mode::strict),
                                    static_cast<ModeSet>(only(Mode::warn) | only(Mode::strict))};

bool is_fit(const std::string& text) {
    front_asked asked;
    return front_spec_is_fit(text.data(), text.size(), &asked);
}

std::optional<std::string> path_of(const char* path, size_t size) {
    return path == nullptr ? std::nullopt : std::optional(std::string(path, size));
}

// What the annotations ask for is what spoor-runtime reads, and it will not look for a mount at the volume's
// place.
void expect_asked(const std::string& text, const Spec& spec) {
    front_asked asked;
    ASSERT_TRUE(front_spec_is_fit(text.data(), text.size(), &asked));
    const auto annotations = read_annotations(spec.annotations);
    ASSERT_TRUE(annotations) << text << annotations.error().message;
    EXPECT_EQ(path_of(asked.volume, asked.volume_size), annotations->volume) << text;
    EXPECT_EQ(path_of(asked.mount, asked.mount_size), annotations->mount) << text;
    Wish wish{annotations->trace, {}};
    if (annotations->mode) wish.mode = parse_mode(*annotations->mode);
    for (const bool trace : {true, false})
        for (const Mode mode : {Mode::off, Mode::warn, Mode::strict}) {
            Config config;
            config.trace = trace;
            config.mode = mode;
            const front_settings settings{trace, mode == Mode::off, false};
            EXPECT_EQ(front_is_traced(&settings, &asked),
                      choice_for(config, TenantRule{}, wish)->mode != Mode::off)
                << text << trace << to_string(mode);
            const front_settings ruled{trace, mode == Mode::off, true};
            if (!front_is_traced(&ruled, &asked)) continue;
            for (const ModeSet modes : traced_modes) {
                TenantRule rule;
                rule.modes.value = modes;
                const auto choice = choice_for(config, rule, wish);
                ASSERT_TRUE(choice) << text << choice.error().message;
                EXPECT_NE(choice->mode, Mode::off) << text << trace << to_string(mode);
            }
        }
    for (const auto& mount : spec.mounts)
        EXPECT_NE(clean_absolute_path(mount.destination), annotations->mount.value_or(Config{}.mount))
            << text;
}

// Whatever spoor-runtime would do with a container that nothing forbids to trace, it can do.
void expect_fit(const std::string& text) {
    const auto spec = parse_spec(text);
    ASSERT_TRUE(spec) << text << spec.error().message;
    expect_asked(text, *spec);
    Additions additions;
    additions.mounts = {{"/v", "/run/spoor", true}, {"/v/agent", "/run/spoor/agent", false}};
    additions.create_runtime = {"/bin/spoor", {"hook"}};
    additions.poststop = {"/bin/spoor", {"hook"}};
    const auto augmented = augment_spec(text, additions);
    ASSERT_TRUE(augmented) << text << augmented.error().message;
    EXPECT_EQ(augmented->front(), '{');
    EXPECT_GT(augmented->size(), text.size());
    const auto read = parse_spec(*augmented);
    ASSERT_TRUE(read) << *augmented << read.error().message;
    EXPECT_EQ(read->mounts.size(), spec->mounts.size() + 2) << *augmented;
}

class FrontFit : public testing::TestWithParam<std::string> {};
class FrontUnfit : public testing::TestWithParam<std::string> {};

TEST_P(FrontFit, IsTakenByTheParsers) {
    EXPECT_TRUE(is_fit(GetParam()));
    expect_fit(GetParam());
}

TEST_P(FrontUnfit, IsLeftToTheParsers) { EXPECT_FALSE(is_fit(GetParam())); }

std::string with(const std::string& rest) { return R"({"ociVersion":"1.0.0")" + rest + "}"; }

std::string asking(const std::string& annotations) { return with(R"(,"annotations":{)" + annotations + "}"); }

INSTANTIATE_TEST_SUITE_P(
    Plain, FrontFit,
    testing::Values(
        with(""), with("") + " \t\r\n", "{ \"ociVersion\"\n:\t\"1\" }",
        with(R"(,"root":{"path":"rootfs","readonly":true})"), with(R"(,"root":null,"mounts":null)"),
        with(R"(,"mounts":[])"),
        with(R"(,"mounts":[ {"destination":"/proc","options":["ro"]} , {"destination":"/x"}])"),
        with(R"(,"hooks":{"poststop":[],"createRuntime":[{"path":"/h"}]})"), with(R"(,"hooks":[])"),
        with(R"(,"annotations":{"a":"\u003c\"\\\/\b"})"),
        with(R"(,"x":[0,-1,123456789012345678,true,false,null,{},[]])"),
        with(
            R"(,"process":{"env":["A=spoor"],"ociVersion":2,"path":"","destination":"","poststop":1,"poststop":2})"),
        with(R"(,"linux":{"cgroupsPath":"a:b:c"})"),
        with(R"(,"annotations":{"io.spoor.volume":"/v/a b.c","io.spoor.trace":"true","x":["io.spoor.y"],)"
             R"("io.spoor.mode":"strict","io.spoor.mount":"/run/m"},"mounts":[{"destination":"/run/x"}])"),
        with(R"(,"annotations":{"io.spoor.mode":"warn","io.spoor":"x","io.spoo":null})"),
        with(R"(,"annotations":{"io.spoor.mode":"off"})"),
        with(R"(,"annotations":{"io.spoor.trace":"false"})"),
        with(R"(,"annotations":{"io.spoor.volume":"/.../..a/b."})"), with(R"(,"annotations":["io.spoor.x"])"),
        with(R"(,"linux":{"annotations":{"io.spoor.x":"y"}},"annotations":null)")));

INSTANTIATE_TEST_SUITE_P(
    NotPlain, FrontUnfit,
    testing::Values(
        "", "{", "{}", "[]", "null", " " + with(""), "\xef\xbb\xbf" + with(""), with("") + "x",
        with("") + with(""), with("") + "// c", with(",/* c */\"a\":1"), with(","), with(",,"),
        with(R"(,"a")"), with(R"(,"a":)"), with(R"(,a:1)"), with(R"(,"a":1,)"), with(R"(,"a":[1,])"),
        with(R"(,"a":[,1])"), with(R"(,"a":[1 2])"), with(R"(,"a":[1)"), with(R"(,"a":{"b":1)"),
        with(R"(,"a":01)"), with(R"(,"a":-)"), with(R"(,"a":+1)"), with(R"(,"a":1.5)"), with(R"(,"a":1e999)"),
        with(R"(,"a":1234567890123456789)"), with(R"(,"a":truE)"), with(R"(,"a":nul)"), with(R"(,"a":NaN)"),
        with(R"(,"a":"\x")"), with(R"(,"a":"\u00g0")"), with(R"(,"a":"\ud800")"), with(R"(,"a":"\u00)"),
        with(R"(,"a":")"), with(",\"a\":\"\n\""), with(",\"a\":\"\xc3\xa4\""), with(",\"a\":\"\xff\""),
        with(",\"a\":\"\x7f\""), with(std::string(",\"a\":\"\0\"", 8)), with(std::string("\0", 1)),
        R"({"ociVersion":""})", R"({"ociVersion":1})", R"({"ociVersion":"\u0031"})",
        R"({"oci\u0056ersion":"1"})", R"({"x":{"ociVersion":"1"}})", with(R"(,"ociVersion":"2")"),
        with(R"(,"root":{})"), with(R"(,"root":{"path":""})"), with(R"(,"root":{"path":1})"),
        with(R"(,"root":{"path":"a"},"root":{"path":"a"})"), with(R"(,"mounts":[1])"),
        with(R"(,"mounts":[{}])"), with(R"(,"mounts":[{"destination":""}])"),
        with(R"(,"mounts":[{"destination":null}])"), with(R"(,"mounts":[{"destination":"/run/spoor"}])"),
        with(R"(,"mounts":[{"destination":"/run/\u0073poor"}])"),
        with(R"(,"mounts":[{"destination":"/a"},])"), with(R"(,"mounts":[],"mounts":[])"),
        with(R"(,"hooks":{"poststop":[],"poststop":[]})"),
        with(R"(,"hooks":{"createRuntime":[],"createRuntime":[]})"), with(R"(,"hooks":{},"hooks":{})"),
        with(R"(,"annotations":{},"annotations":{})"),
        with(",\"a\":" + std::string(100, '[') + std::string(100, ']')), asking(R"("io.spoor.trace":"yes")"),
        asking(R"("io.spoor.trace":true)"), asking(R"("io.spoor.trace":"")"),
        asking(R"("io.spoor.trace":"fals\u0065")"), asking(R"("io.spoor.mode":"loud")"),
        asking(R"("io.spoor.mode":null)"), asking(R"("io.spoor.mode":"warn","io.spoor.mode":"warn")"),
        asking(R"("io.spoor.volumes":"/v")"), asking(R"("io.spoor.":"")"),
        asking(R"("io.spoor.mod\u0065":"warn")"), asking(R"("a\n":"b")"), asking(R"("io.spoor.volume":"v")"),
        asking(R"("io.spoor.volume":"/")"), asking(R"("io.spoor.volume":"")"),
        asking(R"("io.spoor.volume":"/v/../w")"), asking(R"("io.spoor.volume":"/v/..")"),
        asking(R"("io.spoor.volume":"/v/./w")"), asking(R"("io.spoor.volume":"/v//w")"),
        asking(R"("io.spoor.volume":"/v/")"), asking(R"("io.spoor.volume":"/v\t")"),
        asking(R"("io.spoor.mount":"m")"), asking(R"("io.spoor.mount":"/m/.")"),
        asking(R"("io.spoor.mount":"/m")") + "}",
        R"({"mounts":[{"destination":"//run/m/"}],"annotations":{"io.spoor.mount":"/run/m"},"ociVersion":"1"})",
        with(R"(,"annotations":{"io.spoor.mount":"/m"},"mounts":[{"destination":"/run/spoor"}])")));

TEST(FrontFit, HoldsOfWhateverItIsSaidOf) {
    const std::vector<std::string> parts{"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         " ",
                                         "\"",
                                         "\\",
                                         "0",
                                         "-1",
                                         ".5",
                                         "e3",
                                         "true",
                                         "null",
                                         "\"x\"",
                                         "\"x\":",
                                         ",\"root\":{\"path\":\"r\"}",
                                         ",\"root\":",
                                         ",\"mounts\":[",
                                         "{\"destination\":\"/d\"}",
                                         "{\"destination\":",
                                         ",\"hooks\":{",
                                         "\"poststop\":[]",
                                         "\"createRuntime\":{}",
                                         ",\"annotations\":",
                                         ",\"annotations\":{\"io.spoor.mode\":\"strict\"",
                                         "\"io.spoor.mount\":\"/d\"",
                                         "\"io.spoor.mount\":\"/d/e\"",
                                         "\"io.spoor.volume\":\"/.\"",
                                         "{}",
                                         "[]",
                                         "\"\\u0061\"",
                                         "\"\\ud801\"",
                                         "/**/",
                                         "//\n",
                                         "\x80",
                                         "\"ociVersion\":\"1\"",
                                         "\"destination\":\"/e\""};
    std::mt19937 random(1);
    size_t fit = 0;
    for (int round = 0; round < 100'000; ++round) {
        std::string text = R"({"ociVersion":"1")";
        for (size_t count = random() % 7; count > 0; --count) text += parts[random() % parts.size()];
        for (size_t count = random() % 3; count > 0; --count) text += "]}"[random() % 2];
        text += '}';
        if (!is_fit(text)) continue;
        ++fit;
        expect_fit(text);
        if (HasFailure()) return;
    }
    EXPECT_GT(fit, 1000u);
}

// A spec as crun and Podman write it, with one byte changed, one gone, or the end missing.
TEST(FrontFit, HoldsOfDamagedSpecs) {
    const std::string whole = with(
        R"(,"process":{"args":["sh"],"env":["A=b\n"],"rlimits":[{"type":"NOFILE","hard":1024}]},"root":{"path":"r"},)"
        R"("mounts":[{"destination":"/proc","type":"proc"}],"hooks":{"poststop":[{"path":"/h"}]},)"
        R"("annotations":{"a":"b","io.spoor.mode":"warn","io.spoor.trace":"true","io.spoor.volume":"/v/w.x",)"
        R"("io.spoor.mount":"/proc/m"},"linux":{"namespaces":[{"type":"pid"}],"cgroupsPath":"/c"})");
    ASSERT_TRUE(is_fit(whole));
    for (size_t at = 0; at < whole.size(); ++at) {
        EXPECT_FALSE(is_fit(whole.substr(0, at))) << at;
        std::vector<std::string> damaged{std::string(whole).erase(at, 1)};
        for (const char byte : std::string_view("\0\"\\{}[],:/ 0e-\x80", 15)) {
            damaged.push_back(whole);
            damaged.back()[at] = byte;
        }
        for (const auto& text : damaged)
            if (is_fit(text)) expect_fit(text);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace spoor
