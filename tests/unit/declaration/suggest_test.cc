#include "signal/declaration/suggest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/cpu_time.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Paths = std::vector<std::string>;

struct Case {
    Paths undeclared;
    Paths not_accessed = {};
    bool outputs = false;
    PatternContext context = {"/ws", "apps/web", "web"};
    std::map<std::string, std::string> projects = {
        {"web", "apps/web"}, {"e2e", "apps/web/e2e"}, {"ui", "libs/ui"}};
};

std::vector<Suggestion> run(const Case& given) {
    auto all = suggest({given.context, given.projects, given.undeclared, given.not_accessed, given.outputs});
    // Each path once, each matched by its pattern, none of the others matched.
    std::set<size_t> covered;
    for (const Suggestion& one : all) {
        PatternSet set(given.context);
        const Paths pattern{one.pattern};
        for (const auto& fault : set.add(pattern)) ADD_FAILURE() << fault.message;
        EXPECT_FALSE(one.paths.empty());
        for (const size_t i : one.paths) {
            EXPECT_TRUE(covered.insert(i).second) << given.undeclared[i] << " is covered twice";
            EXPECT_TRUE(set.match(given.undeclared[i])) << one.pattern << " misses " << given.undeclared[i];
        }
        for (const std::string& path : given.not_accessed)
            EXPECT_FALSE(set.match(path)) << one.pattern << " swallows " << path;
    }
    EXPECT_EQ(covered.size(), given.undeclared.size());
    return all;
}

Paths patterns(const Case& given) {
    Paths out;
    for (const Suggestion& one : run(given)) out.push_back(one.pattern);
    return out;
}

TEST(Suggest, FewFilesAreNamed) {
    EXPECT_THAT(patterns({{"/ws/apps/web/app.yaml"}}), ElementsAre("{projectRoot}/app.yaml"));
    EXPECT_THAT(patterns({{"/ws/apps/web/src/a.ts", "/ws/apps/web/src/b.ts"}}),
                ElementsAre("{projectRoot}/src/a.ts", "{projectRoot}/src/b.ts"));
    EXPECT_THAT(patterns({{}}), IsEmpty());
}

TEST(Suggest, ManyOfAKindBecomeAGlobBelowTheProjectsRoot) {
    EXPECT_THAT(patterns({{"/ws/apps/web/src/a.ts", "/ws/apps/web/src/b.ts", "/ws/apps/web/src/c.ts"}}),
                ElementsAre("{projectRoot}/src/*.ts"));
    EXPECT_THAT(patterns({{"/ws/apps/web/src/a.ts", "/ws/apps/web/src/x/b.ts", "/ws/apps/web/src/y/z/c.ts"}}),
                ElementsAre("{projectRoot}/src/**/*.ts"));
    EXPECT_THAT(patterns({{"/ws/apps/web/a.ts", "/ws/apps/web/b.ts", "/ws/apps/web/c.ts"}}),
                ElementsAre("{projectRoot}/a.ts", "{projectRoot}/b.ts", "{projectRoot}/c.ts"))
        << "a project's root holds too much else";
}

TEST(Suggest, ExtensionsShareAGlob) {
    EXPECT_THAT(patterns({{"/ws/apps/web/src/a.ts", "/ws/apps/web/src/b.ts", "/ws/apps/web/src/x/c.ts",
                           "/ws/apps/web/src/a.tsx", "/ws/apps/web/src/b.tsx", "/ws/apps/web/src/x/c.tsx"}}),
                ElementsAre("{projectRoot}/src/**/*.{ts,tsx}"));
}

TEST(Suggest, NothingThatWasNotAccessedIsSwallowed) {
    const Paths undeclared{"/ws/apps/web/src/a/1.ts", "/ws/apps/web/src/a/2.ts", "/ws/apps/web/src/a/3.ts",
                           "/ws/apps/web/src/b/4.ts"};
    EXPECT_THAT(patterns({undeclared, {"/ws/apps/web/src/c/5.ts"}}),
                ElementsAre("{projectRoot}/src/a/*.ts", "{projectRoot}/src/b/4.ts"));
    EXPECT_THAT(patterns({undeclared, {"/ws/apps/web/src/c/5.js"}}),
                ElementsAre("{projectRoot}/src/**/*.ts"));
    EXPECT_THAT(patterns({undeclared, {"/ws/apps/web/src/a/5.ts"}}).size(), 4u);
}

TEST(Suggest, OwnersAndTheirWords) {
    const auto all = run({{"/ws/libs/ui/src/x.ts", "/ws/nx.json", "/ws/apps/web/e2e/y.ts",
                           "/ws/apps/web/z.ts", "/data/shared.csv"}});
    ASSERT_EQ(all.size(), 5u);
    EXPECT_EQ(all[0].pattern, "/data/shared.csv");
    EXPECT_EQ(all[0].project, "");
    EXPECT_EQ(all[1].pattern, "{projectRoot}/z.ts");
    EXPECT_EQ(all[1].project, "web");
    EXPECT_EQ(all[1].project_root, "apps/web");
    EXPECT_EQ(all[2].pattern, "{workspaceRoot}/apps/web/e2e/y.ts");
    EXPECT_EQ(all[2].project, "e2e");
    EXPECT_EQ(all[3].pattern, "{workspaceRoot}/libs/ui/src/x.ts");
    EXPECT_EQ(all[3].project, "ui");
    EXPECT_EQ(all[4].pattern, "{workspaceRoot}/nx.json");
    EXPECT_EQ(all[4].project, "");
    EXPECT_EQ(owner_of({{"web", "apps/web"}, {"root", "."}}, "/ws", "/ws/apps/web/x"), "web");
    EXPECT_EQ(owner_of({{"web", "apps/web"}, {"root", "."}}, "/ws", "/ws/apps/web2/x"), "root");
    EXPECT_EQ(owner_of({{"root", "."}}, "/ws", "/other/x"), "");
}

TEST(Suggest, AProjectAtTheRoot) {
    Case given{{"/ws/src/a.ts", "/ws/src/b.ts", "/ws/src/c.ts", "/ws/libs/ui/x.ts"}};
    given.context = {"/ws", ".", "all"};
    given.projects = {{"all", "."}, {"ui", "libs/ui"}};
    const auto all = run(given);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].pattern, "{projectRoot}/src/*.ts");
    EXPECT_EQ(all[0].project, "all");
    EXPECT_EQ(all[0].project_root, ".");
    EXPECT_EQ(all[1].project, "ui");
}

TEST(Suggest, OutputsBecomeDirectories) {
    const Paths written{"/ws/apps/web/dist/main.js", "/ws/apps/web/dist/assets/a.png",
                        "/ws/apps/web/tsconfig.tsbuildinfo", "/ws/apps/web/src/gen/one.ts"};
    EXPECT_THAT(patterns({written, {"/ws/apps/web/src/a.ts"}, true}),
                ElementsAre("{projectRoot}/dist", "{projectRoot}/src/gen/one.ts",
                            "{projectRoot}/tsconfig.tsbuildinfo"));
    EXPECT_THAT(
        patterns({{"/ws/apps/web/src/a.js", "/ws/apps/web/src/b.js"}, {"/ws/apps/web/src/a.ts"}, true}),
        ElementsAre("{projectRoot}/src/a.js", "{projectRoot}/src/b.js"));
    EXPECT_THAT(patterns({{"/ws/dist/apps/web/a", "/ws/dist/apps/web/b"}, {}, true}),
                ElementsAre("{workspaceRoot}/dist/apps/web"));
}

TEST(Suggest, OddNames) {
    EXPECT_THAT(patterns({{"/ws/apps/web/app/[id]/page.tsx"}}),
                ElementsAre("{projectRoot}/app/\\[id\\]/page.tsx"));
    EXPECT_THAT(patterns({{"/ws/apps/web/caf\xE9.txt"}}), ElementsAre("{projectRoot}/caf*.txt"));
    EXPECT_EQ(
        patterns({{"/ws/apps/web/a,b/1.x,y", "/ws/apps/web/a,b/2.x,y", "/ws/apps/web/a,b/3.x,y"}}).size(),
        3u);
    EXPECT_THAT(patterns({{"/ws/apps/web"}}), testing::SizeIs(1));
}

TEST(Suggest, ManyPathsTakeNoTime) {
    Case given;
    for (int i = 0; i < 100'000; ++i) {
        const std::string n = std::to_string(i);
        given.undeclared.push_back("/ws/libs/l" + std::to_string(i % 500) + "/src/f" + n + ".e" +
                                   std::to_string(i % 50));
        given.not_accessed.push_back("/ws/libs/l" + std::to_string(i % 500) + "/other/f" + n + ".e" +
                                     std::to_string(i % 50));
    }
    const CpuTime time;
    const auto all = suggest({given.context, given.projects, given.undeclared, given.not_accessed, false});
    EXPECT_LT(all.size(), 1'000u);
    EXPECT_LT(time.ms(), cpu_limit_ms(10'000));
}

TEST(ProjectJson, IsReadyToPaste) {
    const auto inputs = run({{"/ws/apps/web/app.yaml", "/data/x", "/ws/apps/web/q\"[1]"}});
    const auto outputs = run({{"/ws/apps/web/a.tsbuildinfo"}, {}, true});
    EXPECT_EQ(project_json_snippet("build", inputs, outputs), R"({
  "targets": {
    "build": {
      "inputs": [
        "...",
        "{projectRoot}/app.yaml",
        "{projectRoot}/q\"\\[1\\]"
      ],
      "outputs": [
        "...",
        "{projectRoot}/a.tsbuildinfo"
      ]
    }
  }
}
)");
    EXPECT_EQ(project_json_snippet("build", {}, {}), "{}\n");
}

}  // namespace
}  // namespace spoor
