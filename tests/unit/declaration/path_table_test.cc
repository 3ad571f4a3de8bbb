// A compiled table must answer as the pattern sets do that it was made of.
#include "signal/declaration/path_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>

#include "base/path_table.h"
#include "tests/unit/cpu_time.h"

namespace spoor {
namespace {

using Patterns = std::vector<std::string>;
constexpr uint32_t table_at = 4096;

std::vector<uint8_t> window_with(const std::vector<uint8_t>& table) {
    std::vector<uint8_t> window(SPOOR_WINDOW_BYTES);
    std::copy(table.begin(), table.end(), window.begin() + table_at);
    return window;
}

// Reading is refused where list 0 does not match, writing where list 1 does not.
unsigned verdict_of(ListMatches matches) {
    return (list_matches(matches, 0) ? 0u : unsigned{SPOOR_REFUSE_READ}) |
           (list_matches(matches, 1) ? 0u : unsigned{SPOOR_REFUSE_WRITE});
}

class Both {
public:
    Both(const Patterns& inputs, const Patterns& outputs,
         const PatternContext& context = {"/ws", "apps/web", "web"})
        : inputs_(context), outputs_(context) {
        inputs_.add(inputs);
        outputs_.add(outputs);
        const PatternSet* const lists[] = {&inputs_, &outputs_};
        auto table = compile_path_table(context, lists, verdict_of);
        EXPECT_TRUE(table) << (table ? "" : table.error().message);
        if (table) bytes = table->size(), window_ = window_with(*table);
    }
    [[nodiscard]] unsigned walk(const std::string& path) const {
        return walk_path_table(window_, table_at, path);
    }
    unsigned ask(const std::string& path) {
        return (inputs_.match(path) ? 0u : unsigned{SPOOR_REFUSE_READ}) |
               (outputs_.match(path) ? 0u : unsigned{SPOOR_REFUSE_WRITE});
    }
    size_t bytes = 0;

private:
    PatternSet inputs_, outputs_;
    std::vector<uint8_t> window_;
};

TEST(PathTable, SaysWhatTheListsSay) {
    Both both({"{projectRoot}/src/**/*.ts", "!**/*.spec.ts", "tsconfig.json", "libs/{a,b}", "/etc/hosts"},
              {"dist/{projectRoot}", "**/node_modules/.cache/**"});
    const auto expect = [&](const char* path, unsigned refused) {
        EXPECT_EQ(both.walk(path), refused) << path;
        EXPECT_EQ(both.ask(path), refused) << path;
    };
    const unsigned all = SPOOR_REFUSE_READ | SPOOR_REFUSE_WRITE;
    expect("/ws/apps/web/src/a.ts", SPOOR_REFUSE_WRITE);
    expect("/ws/apps/web/src/a/b/c.ts", SPOOR_REFUSE_WRITE);
    expect("/ws/apps/web/src/a.spec.ts", all);
    expect("/ws/apps/web/src", all);
    expect("/ws/tsconfig.json", SPOOR_REFUSE_WRITE);
    expect("/ws/tsconfig.json/beneath", SPOOR_REFUSE_WRITE);
    expect("/ws/tsconfig.jso", all);
    expect("/ws/libs/a", SPOOR_REFUSE_WRITE);
    expect("/ws/libs/b/x/y", SPOOR_REFUSE_WRITE);
    expect("/ws/libs/c", all);
    expect("/etc/hosts", SPOOR_REFUSE_WRITE);
    expect("/ws/dist/apps/web/main.js", SPOOR_REFUSE_READ);
    expect("/ws/x/node_modules/.cache/y", SPOOR_REFUSE_READ);
    expect("/", all);
    expect("/ws", all);
    expect("/ws/apps/web/src/\xff\xfe.ts", SPOOR_REFUSE_WRITE);
}

TEST(PathTable, NothingDeclaredRefusesEverything) {
    Both both({}, {});
    EXPECT_EQ(both.walk("/ws/a"), unsigned{SPOOR_REFUSE_READ | SPOOR_REFUSE_WRITE});
    EXPECT_EQ(both.walk("/"), unsigned{SPOOR_REFUSE_READ | SPOOR_REFUSE_WRITE});
}

TEST(PathTable, TooDeepIsNotJudged) {
    Both both({"a"}, {"b"});
    std::string deep = "/ws";
    for (unsigned i = 1; i < SPOOR_PATH_NAMES_MAX; ++i) deep += "/d";
    EXPECT_NE(both.walk(deep), 0u);
    EXPECT_EQ(both.walk(deep + "/d"), 0u);
}

// Patterns and paths out of the same few pieces, so that they meet.
TEST(PathTable, AgreesOnRandomPatternsAndPaths) {
    std::mt19937 random(7);
    const auto pick = [&](const auto& list) -> std::string { return list[random() % std::size(list)]; };
    const char* const pieces[] = {
        "a",    "b",    "ab",        "*",     "**",   "**",     "*.ts",        "a*",          "*b*",
        "?",    "[ab]", "[!a]b",     "{a,b}", "!(a)", "@(a|b)", "+(ab)",       "!(*.ts)",     "?(a)b",
        "a.ts", "b.ts", "*(a|b).ts", "é",     "?.ts", "\\*",    "[[:alpha:]]", "node_modules"};
    const char* const names[] = {"a", "b", "ab",   "ba",   "abab",         "a.ts",   "b.ts", "é",
                                 "x", "*", "é.ts", "\xff", "node_modules", "aab.ts", ".ts"};
    size_t refused = 0, allowed = 0;
    for (int round = 0; round < 600; ++round) {
        const auto some = [&] {
            Patterns list;
            for (size_t n = random() % 6; n-- > 0;) {
                std::string pattern = random() % 4 == 0 ? "!" : random() % 6 == 0 ? "/" : "";
                if (pattern == "!" && random() % 4 == 0) pattern = "!/";
                for (size_t parts = 1 + random() % 4; parts-- > 0;) pattern += pick(pieces) + "/";
                if (random() % 5 != 0) pattern.pop_back();
                list.push_back(pattern);
            }
            return list;
        };
        const Patterns inputs = some(), outputs = some();
        Both both(inputs, outputs, {random() % 3 == 0 ? "/" : "/a", "", ""});
        for (int i = 0; i < 60; ++i) {
            std::string path = random() % 2 == 0 ? "/a" : "";
            for (size_t parts = 1 + random() % 5; parts-- > 0;) path += "/" + pick(names);
            const unsigned want = both.ask(path);
            (want == 0 ? allowed : refused) += 1;
            if (both.walk(path) == want) continue;
            std::string text;
            for (const auto& pattern : inputs) text += " " + pattern;
            text += " |";
            for (const auto& pattern : outputs) text += " " + pattern;
            FAIL() << path << " with" << text << ": " << both.walk(path) << " and not " << want;
        }
    }
    EXPECT_GT(refused, 1000u);
    EXPECT_GT(allowed, 50u);
}

TEST(PathTable, TooLargeIsAnError) {
    const PatternContext context{"/ws", "", ""};
    Patterns patterns;
    for (int i = 0; i < 2000; ++i)
        patterns.push_back("**/a" + std::to_string(i) + "*b" + std::to_string(i % 7) + "*");
    PatternSet set(context);
    ASSERT_TRUE(set.add(patterns).empty());
    const PatternSet* const lists[] = {&set};
    const CpuTime time;
    auto table = compile_path_table(context, lists, verdict_of);
    ASSERT_FALSE(table);
    EXPECT_EQ(table.error().code, E2BIG);
    EXPECT_LT(time.ms(), cpu_limit_ms(20'000));
}

// What Nx declares: some thousands of files by their names, and some globs.
TEST(PathTable, AWorkspaceOfFilesFits) {
    Patterns files;
    for (int i = 0; i < 8'000; ++i)
        files.push_back("libs/lib-" + std::to_string(i % 120) + "/src/lib/feature-" + std::to_string(i % 13) +
                        "/file-" + std::to_string(i) + ".ts");
    files.insert(files.end(), {"{projectRoot}/**/*", "!{projectRoot}/**/*.spec.ts", "**/node_modules/**"});
    const CpuTime time;
    Both both(files, {"dist/{projectRoot}"});
    const double compiled = time.ms();
    EXPECT_EQ(both.walk("/ws/" + files[7'999]), unsigned{SPOOR_REFUSE_WRITE});
    EXPECT_EQ(both.walk("/ws/libs/lib-1/src/lib/feature-1/file-x.ts"),
              unsigned{SPOOR_REFUSE_READ | SPOOR_REFUSE_WRITE});
    const CpuTime walking;
    unsigned sum = 0;
    constexpr int walks = 100'000;
    for (int i = 0; i < walks; ++i) sum += both.walk("/ws/" + files[7'999]);
    std::printf("8003 patterns: %.1f ms to compile, %zu bytes, %.0f ns a walk\n", compiled, both.bytes,
                walking.ms() * 1e6 / walks);
    EXPECT_EQ(sum, unsigned{walks * SPOOR_REFUSE_WRITE});
    EXPECT_LT(compiled, 5'000);
}

// Whatever stands in the window, a walk ends and stays in it (the address sanitizer watches).
TEST(PathTable, AnyBytesAreATable) {
    std::mt19937 random(11);
    std::vector<uint8_t> window(SPOOR_WINDOW_BYTES);
    for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i + 4 <= window.size(); i += 4) {
            const uint32_t word = static_cast<uint32_t>(random());
            std::memcpy(window.data() + i, &word, 4);
        }
        for (int i = 0; i < 200; ++i)
            (void)walk_path_table(window, static_cast<uint32_t>(random()),
                                  "/ws/some/where/" + std::to_string(i));
    }
}

}  // namespace
}  // namespace spoor
