// What shim/front decides of a spec and a command line by itself against what spoor-runtime decides with its
// parsers: the front may doubt, and must never be certain of what spoor-runtime sees otherwise.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "config/bounds.h"
#include "config/config.h"
#include "config/tenants.h"
#include "oci/annotations.h"
#include "oci/bundle.h"
#include "oci/command_line.h"
#include "shim/front/certain.h"

namespace spoor {
namespace {

struct SpecCase {
    std::string text;
    front_wish expected;
};

void PrintTo(const SpecCase& spec, std::ostream* stream) { *stream << spec.text; }

// As set_up_tracing() does, without an operator's rule.
bool leaves_untouched(const std::string& text, bool trace, Mode mode) {
    const auto spec = parse_spec(text);
    if (!spec) return true;
    const auto annotations = read_annotations(spec->annotations);
    if (!annotations) return false;
    Config config;
    config.trace = trace;
    config.mode = mode;
    Wish wish{annotations->trace, {}};
    if (annotations->mode) wish.mode = parse_mode(*annotations->mode);
    const auto choice = choice_for(config, TenantRule{}, wish);
    return choice && choice->mode == Mode::off;
}

void expect_untouched(const std::string& text, front_wish wish) {
    for (const bool trace : {true, false})
        for (const Mode mode : {Mode::off, Mode::warn}) {
            const front_settings settings{trace, mode == Mode::off, false};
            const front_settings ruled{trace, mode == Mode::off, true};
            EXPECT_FALSE(front_is_not_traced(&ruled, wish));
            if (front_is_not_traced(&settings, wish)) {
                EXPECT_TRUE(leaves_untouched(text, trace, mode)) << text << trace << to_string(mode);
            }
        }
}

class FrontSpec : public testing::TestWithParam<SpecCase> {};

TEST_P(FrontSpec, IsReadAsTheParserReadsIt) {
    const auto& [text, expected] = GetParam();
    EXPECT_EQ(front_read_spec(text.data(), text.size()), expected);
    expect_untouched(text, front_read_spec(text.data(), text.size()));
}

std::string annotated(const std::string& annotations, const std::string& rest = "") {
    return R"({"ociVersion":"1.0.0","annotations":{)" + annotations + "}" + rest + "}";
}

INSTANTIATE_TEST_SUITE_P(
    Certain, FrontSpec,
    testing::Values(
        SpecCase{"", front_silent}, SpecCase{R"({"ociVersion":"1.0.0"})", front_silent},
        SpecCase{annotated(R"("a":"b")"), front_silent},
        SpecCase{annotated(R"("a":"<\u003c\u0026\u2028>")"), front_silent},
        SpecCase{annotated(R"("io.spoor.trace":"false")"), front_off},
        SpecCase{annotated(R"("a":"[{\"","io.spoor.mode" : "off" ,"b":"}")", R"(,"x":[{"y":[]}])"),
                 front_off},
        SpecCase{R"({"x":{"annotations":{"y":"z"}},"annotations" : { "io.spoor.mode":"off"}})", front_off}));

INSTANTIATE_TEST_SUITE_P(
    Doubtful, FrontSpec,
    testing::Values(
        SpecCase{annotated(R"("io.spoor.trace":"true")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.trace":"no")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.trace":false)"), front_doubt},
        SpecCase{annotated(R"("io.spoor.mode":"strict")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.mode":"false")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.volume":"/v")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.trace":"false","io.spoor.mode":"warn")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.trac\u0065":"false")"), front_doubt},
        SpecCase{annotated(R"("\u0069o.spoor.trace":"true")"), front_doubt},
        SpecCase{annotated(R"("io\u002espoor.trace":"true")"), front_doubt},
        SpecCase{annotated(R"("io\u002Espoor.trace":"true")"), front_doubt},
        SpecCase{R"({"x":"\u00)", front_doubt},
        SpecCase{annotated(R"("x":{"io.spoor.trace":"false"})"), front_doubt},
        SpecCase{annotated(R"("x":"y")", R"(,"z":{"io.spoor.trace":"false"})"), front_doubt},
        SpecCase{annotated(R"("x":"y")", R"(,"io.spoor.trace":"false")"), front_doubt},
        SpecCase{annotated(R"("x":"\"io.spoor.trace\":\"false\"")"), front_doubt},
        SpecCase{annotated(R"("x":"io.spoor.trace")"), front_doubt},
        SpecCase{R"({"x":{"annotations":{"io.spoor.trace":"false"}},"ociVersion":"1"})", front_doubt},
        SpecCase{R"({"ociVersion":"1","annotations":{"io.spoor.trace":"false"},"annotations":{"a":"b"}})",
                 front_doubt},
        SpecCase{annotated(R"(/* " */"io.spoor.trace":"false")"), front_doubt},
        SpecCase{annotated(R"("io.spoor.trace":"false"/* " */)"), front_doubt},
        SpecCase{R"([{"annotations":{"io.spoor.trace":"false"}}])", front_doubt},
        SpecCase{R"({"annotations":{"io.spoor.trace":"false")",
                 front_off},  // no JSON: not for spoor to judge
        SpecCase{R"(}{"annotations":{"io.spoor.trace":"false"}})", front_doubt}));

TEST(FrontSpec, AgreesOnWhateverItIsCertainOf) {
    const std::vector<std::string> parts{"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         " ",
                                         "\"",
                                         "\\",
                                         "\\\"",
                                         "/*",
                                         "*/",
                                         "\"annotations\"",
                                         "\"annotations\":{",
                                         "\"io.spoor.trace\":\"false\"",
                                         "\"io.spoor.mode\":\"off\"",
                                         "\"io.spoor.mode\":\"warn\"",
                                         "\"x\":",
                                         "\"y\"",
                                         "\\u0026",
                                         "\\u0069o.spoor.mode"};
    std::mt19937 random(1);
    size_t off = 0;
    for (int round = 0; round < 50'000; ++round) {
        std::string text = R"({"ociVersion":"1",)";
        for (size_t count = random() % 8; count > 0; --count) text += parts[random() % parts.size()];
        if (random() % 2 == 0) text += "}}";
        const front_wish wish = front_read_spec(text.data(), text.size());
        off += wish == front_off ? 1 : 0;
        expect_untouched(text, wish);
        if (HasFailure()) return;
    }
    EXPECT_GT(off, 100u);
}

using Argv = std::vector<const char*>;

const char* bundle_of(Argv words) {
    words.push_back(nullptr);
    return front_bundle(const_cast<char* const*>(words.data()));
}

TEST(FrontCommandLine, FindsTheBundleAsTheParserDoes) {
    const std::vector<std::pair<Argv, const char*>> cases{
        {{"spoor", "run", "c"}, "."},
        {{"spoor", "create", "-b", "/b", "c"}, "/b"},
        {{"spoor", "create", "--bundle=/b", "--pid-file", "/p", "c"}, "/b"},
        {{"spoor", "--systemd-cgroup", "--log-format=json", "--log", "/l", "create", "--bundle", "/b", "c"},
         "/b"},
        {{"spoor", "--root", "create", "run", "--detach", "--bundle", "/a", "-b", "/b", "c"}, "/b"},
        {{"spoor", "run", "-b", "run", "run"}, "run"}};
    for (const auto& [words, bundle] : cases) {
        ASSERT_STREQ(bundle_of(words), bundle);
        const auto line = parse_command_line(words, Dialect::crun);
        ASSERT_TRUE(line);
        EXPECT_EQ(line->bundle, bundle);
        EXPECT_EQ(line->config, "config.json");
    }
    for (const Argv& words :
         {Argv{}, Argv{"spoor"}, Argv{"spoor", "run"}, Argv{"spoor", "run", "-b", "/b"},
          Argv{"spoor", "run", "-b"}, Argv{"spoor", "run", "a", "b"}, Argv{"spoor", "run", "a", "-b", "/b"},
          Argv{"spoor", "run", "-b/b", "c"}, Argv{"spoor", "run", "--bund", "/b", "c"},
          Argv{"spoor", "run", "--", "c"}, Argv{"spoor", "run", "-db", "/b", "c"},
          Argv{"spoor", "run", "-f", "x", "c"}, Argv{"spoor", "run", "--config", "x", "c"},
          Argv{"spoor", "create", "-d", "c"}, Argv{"spoor", "run", "--detach=1", "c"},
          Argv{"spoor", "restore", "c"}, Argv{"spoor", "--log", "run", "c"},
          Argv{"spoor", "--version", "run", "c"}, Argv{"spoor", "exec", "c", "run"}})
        EXPECT_EQ(bundle_of(words), nullptr) << testing::PrintToString(words);
}

TEST(FrontCommandLine, AgreesOnWhateverItIsCertainOf) {
    const Argv words{"run",
                     "create",
                     "-b",
                     "--bundle",
                     "--bundle=/b",
                     "/b",
                     "-d",
                     "--detach",
                     "--log",
                     "--log=",
                     "--root=/r",
                     "--keep",
                     "-f",
                     "--",
                     "-",
                     "c",
                     "--no-pivot",
                     "--debug",
                     "--preserve-fds",
                     "3",
                     "exec",
                     "--pid-file=/p",
                     "-?",
                     "--bun"};
    std::mt19937 random(1);
    size_t certain = 0;
    for (int round = 0; round < 50'000; ++round) {
        Argv argv{"spoor"};
        for (size_t count = random() % 7; count > 0; --count) argv.push_back(words[random() % words.size()]);
        const char* bundle = bundle_of(argv);
        if (bundle == nullptr) continue;
        ++certain;
        const auto line = parse_command_line(argv, Dialect::crun);
        ASSERT_TRUE(line) << testing::PrintToString(argv);
        EXPECT_EQ(line->bundle, bundle) << testing::PrintToString(argv);
        EXPECT_EQ(line->config, "config.json") << testing::PrintToString(argv);
        EXPECT_NE(line->verb, CommandLine::Verb::restore) << testing::PrintToString(argv);
    }
    EXPECT_GT(certain, 200u);
}

}  // namespace
}  // namespace spoor
