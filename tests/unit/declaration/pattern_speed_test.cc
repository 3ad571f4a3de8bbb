// How long a task's accesses take against a large declaration. The promise is 100,000 paths against 1,000
// patterns in 100 ms; the limits here are for a slow machine and a sanitizer, and what is printed is the
// measure.
#include <gtest/gtest.h>

#include <cstdio>

#include "signal/declaration/pattern_set.h"
#include "tests/unit/cpu_time.h"

namespace spoor {
namespace {

std::vector<std::string> paths_of_a_workspace(size_t count) {
    std::vector<std::string> paths;
    const char* const kinds[] = {"ts", "tsx", "spec.ts", "json", "js", "d.ts", "css", "map"};
    for (size_t i = 0; i < count; ++i) {
        const std::string n = std::to_string(i);
        if (i % 3 == 0)
            paths.push_back("/ws/node_modules/package-" + std::to_string(i % 2000) + "/dist/esm/module-" + n +
                            ".js");
        else
            paths.push_back("/ws/libs/lib-" + std::to_string(i % 700) + "/src/lib/feature-" +
                            std::to_string(i % 13) + "/file-" + n + "." + kinds[i % 8]);
    }
    return paths;
}

std::vector<std::string> patterns_of_a_workspace(size_t count) {
    std::vector<std::string> patterns;
    for (size_t i = 0; patterns.size() < count; ++i) {
        const std::string lib = "libs/lib-" + std::to_string(i);
        patterns.push_back(lib + "/**/*.{ts,tsx}");
        patterns.push_back("!" + lib + "/**/?(*.)+(spec|test).[jt]s?(x)");
        patterns.push_back(lib + "/src/lib/feature-" + std::to_string(i % 13) + "/file-" + std::to_string(i) +
                           "*.json");
        patterns.push_back("**/module-" + std::to_string(i) + "*.js");
        patterns.push_back("dist/" + lib);
    }
    patterns.resize(count);
    return patterns;
}

double run(size_t pattern_count, const std::vector<std::string>& paths, size_t* matched = nullptr) {
    PatternSet set(PatternContext{"/ws", "", ""});
    const auto patterns = patterns_of_a_workspace(pattern_count);
    EXPECT_TRUE(set.add(patterns).empty());
    const CpuTime time;
    size_t hits = 0;
    for (const std::string& path : paths) hits += set.mark(path).matched;
    if (matched != nullptr) *matched = hits;
    return time.ms();
}

TEST(PatternSpeed, AHundredThousandPathsAgainstAThousandPatterns) {
    const auto paths = paths_of_a_workspace(100'000);
    size_t matched = 0;
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 3; ++i) {
        few = std::min(few, run(10, paths));
        many = std::min(many, run(1000, paths, &matched));
    }
    std::printf("100000 paths: %.1f ms against 10 patterns, %.1f ms against 1000; %zu match\n", few, many,
                matched);
    EXPECT_GT(matched, 5'000u);
    EXPECT_LT(matched, 95'000u);
    // A loop over the patterns would need a hundred times as long.
    EXPECT_LT(many, 30 * few + 50);
    EXPECT_LT(many, cpu_limit_ms(3'000));
}

TEST(PatternSpeed, AHundredThousandDeclaredFiles) {
    const auto paths = paths_of_a_workspace(100'000);
    std::vector<std::string> patterns;
    for (const std::string& path : paths) patterns.push_back(path.substr(4));
    PatternSet set(PatternContext{"/ws", "", ""});
    const CpuTime time;
    EXPECT_TRUE(set.add(patterns).empty());
    const double compiled = time.ms();
    size_t matched = 0;
    for (const std::string& path : paths) matched += set.mark(path).matched;
    const double asked = time.ms() - compiled;
    std::printf("100000 declared files: %.1f ms to compile, %.1f ms to ask about each\n", compiled, asked);
    EXPECT_EQ(matched, paths.size());
    EXPECT_TRUE(set.marked(set.size() - 1));
    EXPECT_LT(compiled + asked, cpu_limit_ms(10'000));
}

}  // namespace
}  // namespace spoor
