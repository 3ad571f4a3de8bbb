#include "signal/declaration/pattern_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cpu_time.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PatternSet set_of(const std::vector<std::string>& patterns,
                  const PatternContext& context = {"/ws", "apps/web", "web"}) {
    PatternSet set(context);
    for (const PatternFault& fault : set.add(patterns)) ADD_FAILURE() << fault.message;
    return set;
}

bool matches(const std::vector<std::string>& patterns, std::string_view path) {
    return set_of(patterns).match(path).matched;
}

std::string fault_of(const std::string& pattern) {
    PatternSet set(PatternContext{"/ws", "apps/web", "web"});
    const std::vector<std::string> patterns{pattern, "good"};
    const auto faults = set.add(patterns);
    EXPECT_TRUE(set.match("/ws/good")) << "one bad pattern took the others with it";
    return faults.empty() ? "" : faults[0].message;
}

std::string many(std::string_view text, size_t times) {
    std::string out;
    while (times-- > 0) out += text;
    return out;
}

TEST(PatternSet, PatternsAreRelativeToTheWorkspace) {
    EXPECT_TRUE(matches({"src/*.ts"}, "/ws/src/a.ts"));
    EXPECT_FALSE(matches({"src/*.ts"}, "/src/a.ts"));
    EXPECT_FALSE(matches({"**/*"}, "/etc/passwd"));
    EXPECT_FALSE(matches({"**/*"}, "/ws2/a"));
    EXPECT_TRUE(matches({"/etc/*"}, "/etc/passwd"));
    EXPECT_FALSE(matches({"**"}, "relative/path"));
    EXPECT_FALSE(matches({"**"}, ""));
    EXPECT_TRUE(matches({"."}, "/ws/anything/at/all"));
}

TEST(PatternSet, WordsInBracesAreReplacedLiterally) {
    EXPECT_TRUE(matches({"{projectRoot}/src/**/*.ts"}, "/ws/apps/web/src/deep/er/a.ts"));
    EXPECT_TRUE(matches({"{workspaceRoot}/nx.json"}, "/ws/nx.json"));
    EXPECT_TRUE(matches({"{workspaceRoot}/dist/{projectRoot}"}, "/ws/dist/apps/web/main.js"));
    EXPECT_TRUE(matches({"{workspaceRoot}/reports/{projectName}.xml"}, "/ws/reports/web.xml"));
    EXPECT_TRUE(matches({"{{projectRoot},libs}/x"}, "/ws/apps/web/x"));
    auto odd = set_of({"{projectRoot}/*.ts"}, {"/ws", "apps/[a]*{b,c}", ""});
    EXPECT_TRUE(odd.match("/ws/apps/[a]*{b,c}/x.ts"));
    EXPECT_FALSE(odd.match("/ws/apps/ab/x.ts"));
    auto root = set_of({"{projectRoot}/src/*", "{projectRoot}"}, {"/ws", ".", ""});
    EXPECT_TRUE(root.match("/ws/src/a"));
    EXPECT_TRUE(root.match("/ws/b"));
}

TEST(PatternSet, WithoutWildcardsAllBeneathIsMeant) {
    for (const char* pattern : {"dist", "dist/", "./dist", "dist/.", "src/../dist", "{dist,types}", "[d]ist"})
        EXPECT_TRUE(matches({pattern}, "/ws/dist/a/b.js")) << pattern;
    EXPECT_TRUE(matches({"dist"}, "/ws/dist"));
    EXPECT_FALSE(matches({"dist"}, "/ws/dist2"));
    EXPECT_FALSE(matches({"dist/*"}, "/ws/dist/a/b.js"));
    EXPECT_TRUE(matches({"dist/*/"}, "/ws/dist/a/b.js"));
    EXPECT_TRUE(matches({"dist/**"}, "/ws/dist/a"));
    EXPECT_FALSE(matches({"dist/**"}, "/ws/dist"));
}

TEST(PatternSet, DotFilesAreOrdinary) {
    EXPECT_TRUE(matches({"**/*"}, "/ws/.github/.hidden"));
    EXPECT_TRUE(matches({"*"}, "/ws/.env"));
    EXPECT_TRUE(matches({"?env"}, "/ws/.env"));
}

TEST(PatternSet, ExceptionsHoldWhereverTheyStand) {
    for (const auto& patterns : {std::vector<std::string>{"!src/**/*.spec.ts", "src/**/*.ts"},
                                 std::vector<std::string>{"src/**/*.ts", "!src/**/*.spec.ts"}}) {
        auto set = set_of(patterns);
        EXPECT_TRUE(set.match("/ws/src/a.ts"));
        EXPECT_FALSE(set.match("/ws/src/a.spec.ts"));
        EXPECT_FALSE(set.match("/ws/other"));
    }
    EXPECT_FALSE(matches({"src", "!src/generated"}, "/ws/src/generated/deep/x"));
    EXPECT_TRUE(matches({"!!src"}, "/ws/src"));
    EXPECT_FALSE(matches({"!src"}, "/ws/other")) << "exceptions alone match nothing";
}

TEST(PatternSet, ANegatedGroupAtTheFrontIsNoException) {
    auto set = set_of({"!(*.spec).ts"});
    EXPECT_FALSE(set.is_exception(0));
    EXPECT_TRUE(set.match("/ws/a.ts"));
    EXPECT_FALSE(set.match("/ws/a.spec.ts"));
}

TEST(PatternSet, SaysWhichPatternDecided) {
    auto set = set_of({"b/**", "a/*.ts", "a/**", "!a/no.ts"});
    EXPECT_EQ(set.match("/ws/a/x.ts").pattern, 1u);
    EXPECT_EQ(set.match("/ws/a/x.js").pattern, 2u);
    EXPECT_EQ(set.match("/ws/a/no.ts").pattern, 3u);
    EXPECT_FALSE(set.match("/ws/a/no.ts").matched);
    EXPECT_EQ(set.match("/ws/c").pattern, std::nullopt);
}

TEST(PatternSet, MarksWhatWasUsed) {
    auto set = set_of({"a/x.ts", "a/y.ts", "a/*.ts", "lib", "!a/z.ts", "deep/**/end"});
    (void)set.match("/ws/a/y.ts");
    for (size_t i = 0; i < set.size(); ++i) EXPECT_FALSE(set.marked(i)) << "asking is not using";
    set.mark("/ws/a/x.ts");
    EXPECT_TRUE(set.marked(0));
    EXPECT_FALSE(set.marked(1));
    EXPECT_TRUE(set.marked(2));
    set.mark("/ws/a/z.ts");
    EXPECT_TRUE(set.marked(4));
    (void)set.match("/ws/lib/in/it");
    EXPECT_FALSE(set.marked(3));
    set.mark("/ws/lib/in/it");
    EXPECT_TRUE(set.marked(3)) << "although it was asked about before";
    const std::vector<std::string> more{"a/x.*", "a/x.ts"};
    set.add(more);
    EXPECT_TRUE(set.marked(0)) << "marks outlive additions";
    set.mark("/ws/a/x.ts");
    EXPECT_TRUE(set.marked(6));
    EXPECT_TRUE(set.marked(7));
    EXPECT_FALSE(set.marked(5));
}

TEST(PatternSet, LiteralPaths) {
    auto set = set_of({"a/b.ts", "{projectRoot}/c", "*.ts", "/abs/x", "{a,b}", "./d/../e/", "!no"});
    EXPECT_EQ(set.literal_path(0), "/ws/a/b.ts");
    EXPECT_EQ(set.literal_path(1), "/ws/apps/web/c");
    EXPECT_EQ(set.literal_path(2), std::nullopt);
    EXPECT_EQ(set.literal_path(3), "/abs/x");
    EXPECT_EQ(set.literal_path(4), std::nullopt);
    EXPECT_EQ(set.literal_path(5), "/ws/e");
    EXPECT_EQ(set.literal_path(6), "/ws/no");
}

TEST(PatternSet, ResolvedFilesWithBracketsMatchThemselves) {
    EXPECT_TRUE(matches({"app/[id]/(main)/page.tsx"}, "/ws/app/[id]/(main)/page.tsx"));
    EXPECT_TRUE(matches({"app/[id]/page.tsx"}, "/ws/app/d/page.tsx")) << "still a class";
}

TEST(PatternSet, NamesAreBytes) {
    EXPECT_TRUE(matches({"*"}, "/ws/caf\xE9"));
    EXPECT_TRUE(matches({"caf\xE9"}, "/ws/caf\xE9"));
    EXPECT_FALSE(matches({"caf?"}, "/ws/caf\xE9")) << "? is a character";
    EXPECT_TRUE(matches({"caf?"}, "/ws/café"));
    EXPECT_TRUE(matches({"a\nb"}, "/ws/a\nb"));
    EXPECT_FALSE(matches({"A"}, "/ws/a"));
}

TEST(PatternSet, SlashesAndRootsInPaths) {
    EXPECT_TRUE(matches({"a/b"}, "/ws//a/b"));
    EXPECT_TRUE(matches({"a/b"}, "/ws/a//b/"));
    auto set = set_of({"*"}, {"/", "", ""});
    EXPECT_TRUE(set.match("/a"));
    EXPECT_FALSE(set.match("/"));
    EXPECT_TRUE(set_of({"."}, {"/", "", ""}).match("/"));
}

TEST(PatternSet, BadPatternsAreLeftOutWithAReason) {
    EXPECT_EQ(fault_of("fine/**"), "");
    EXPECT_THAT(fault_of(""), HasSubstr("empty"));
    EXPECT_THAT(fault_of("!"), HasSubstr("empty"));
    EXPECT_THAT(fault_of("../x"), HasSubstr("leads out of the workspace"));
    EXPECT_THAT(fault_of("a/../../x"), HasSubstr("leads out of the workspace"));
    EXPECT_THAT(fault_of("**/../x"), HasSubstr("'..' after '**'"));
    EXPECT_THAT(fault_of("{1..99999}"), HasSubstr("more than 10000"));
    EXPECT_THAT(fault_of(std::string("a\0b", 3)), HasSubstr("NUL"));
    EXPECT_THAT(fault_of(std::string(70'000, 'a')), HasSubstr("longer than 65536"));
    EXPECT_LT(fault_of(std::string(70'000, 'a')).size(), 300u);
    EXPECT_EQ(fault_of("a\n/../../x").find('\n'), std::string::npos);
    EXPECT_THAT(fault_of(many("*(a|", 200) + "b" + many(")", 200)), HasSubstr("nested"));
}

TEST(PatternSet, FaultsAreNumberedAsGiven) {
    PatternSet set(PatternContext{"/ws", "", ""});
    const std::vector<std::string> patterns{"a", "", "b", "../c"};
    std::vector<size_t> at;
    for (const auto& fault : set.add(patterns)) at.push_back(fault.index);
    EXPECT_THAT(at, ElementsAre(1, 3));
    ASSERT_EQ(set.size(), 2u);
    EXPECT_EQ(set.text(1), "b");
}

TEST(PatternSet, TooManyWildcardsAreRefusedAndTheRestStays) {
    PatternSet set(PatternContext{"/ws", "", ""});
    std::vector<std::string> patterns;
    for (int i = 0; i < 40; ++i) patterns.push_back("*" + std::string(10'000, 'x') + "-" + std::to_string(i));
    const auto faults = set.add(patterns);
    ASSERT_FALSE(faults.empty());
    EXPECT_THAT(faults[0].message, HasSubstr("too many wildcards"));
    EXPECT_TRUE(set.match("/ws/0" + std::string(10'000, 'x') + "-0"));
    const std::vector<std::string> more{"y*z"};
    EXPECT_TRUE(set.add(more).empty()) << "a small one still fits";
    EXPECT_TRUE(set.match("/ws/y-z"));
    EXPECT_FALSE(set.match("/ws/39" + std::string(10'000, 'x') + "-39"));
}

// What backtracking matchers take exponential time for.
TEST(PatternSet, HostilePatternsTakeNoTime) {
    const CpuTime time;
    const std::string name(200, 'a');
    for (const std::string& pattern : std::vector<std::string>{
             many("*a", 100) + "b", "+(" + many("a|", 50) + "a)b", "+(+(+(a)))b", "*(*(a)*(a))*(a)b",
             many("!(a)", 60) + "b", many("?(a)", 100) + many("a", 101) + "b", "!(*(a|aa))b",
             many("[[:alpha:]]*", 50) + "b"}) {
        auto set = set_of({pattern, "**/" + pattern + "/**/" + pattern});
        EXPECT_FALSE(set.match("/ws/" + name)) << pattern;
    }
    auto deep = set_of({many("**/a/", 200) + "b"});
    EXPECT_FALSE(deep.match("/ws" + many("/a", 1000)));
    EXPECT_LT(time.ms(), cpu_limit_ms(5'000));
}

TEST(PatternSet, HostilePatternsAreRefusedInNoTime) {
    const CpuTime time;
    // Each is small and needs more states than there may be.
    std::string nested = "a";
    for (int i = 0; i < 40; ++i) nested = "*(!(x)" + nested + "?c)";
    std::vector<std::string> patterns;
    for (int i = 0; i < 3000; ++i) patterns.push_back(std::to_string(i) + nested);
    patterns.push_back("*(" + many("a?", 30'000) + ")");
    PatternSet set(PatternContext{"/ws", "", ""});
    EXPECT_GE(set.add(patterns).size(), 3000u);
    EXPECT_LT(time.ms(), cpu_limit_ms(20'000));
}

TEST(PatternSet, ForgettingWhatWasRememberedChangesNoAnswer) {
    // More states than the cache holds: every name reaches new ones.
    std::vector<std::string> patterns;
    for (char c = 'a'; c <= 'p'; ++c) patterns.push_back(std::string("**/*") + c + "???????????????");
    auto set = set_of(patterns);
    uint64_t random = 1;
    for (int i = 0; i < 20'000; ++i) {
        std::string name;
        for (int n = 0; n < 24; ++n) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            name += static_cast<char>('a' + (random >> 60));
        }
        const auto expected = static_cast<size_t>(name[name.size() - 16] - 'a');
        ASSERT_EQ(set.match("/ws/d/" + name).pattern, expected) << name;
    }
}

TEST(EscapePattern, MatchesOnlyItself) {
    for (const std::string& name :
         std::vector<std::string>{"[id]", "{a,b}", "a*b?", "!x", "+(a)", "back\\slash", "{back\\slash}",
                                  "(group)", "a,b", "$x{"}) {
        auto set = set_of({escape_pattern(name)});
        EXPECT_TRUE(set.match("/ws/" + name)) << name;
        EXPECT_EQ(set.literal_path(0),
                  name.find('{') == std::string::npos ? std::optional("/ws/" + name) : std::nullopt);
    }
}

}  // namespace
}  // namespace spoor
