#include "signal/declaration/declaration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Patterns = std::vector<std::string>;

Declaration declaration() { return Declaration(PatternContext{"/ws", "apps/web", "web"}); }

TEST(Declaration, InputsOutputsAndDependenciesOutputs) {
    Declaration task = declaration();
    EXPECT_FALSE(task.has_inputs());
    EXPECT_FALSE(task.has_outputs());
    EXPECT_FALSE(task.declares_input("/ws/apps/web/src/a.ts"));
    EXPECT_THAT(task.add_inputs(Patterns{"{projectRoot}/src/**", "!{projectRoot}/src/**/*.md"}), IsEmpty());
    EXPECT_THAT(task.add_outputs(Patterns{"{workspaceRoot}/dist/{projectRoot}"}), IsEmpty());
    EXPECT_THAT(task.add_dependencies_outputs(Patterns{"dist/libs/*/**/*.d.ts"}), IsEmpty());
    EXPECT_TRUE(task.has_inputs());
    EXPECT_TRUE(task.has_outputs());

    EXPECT_TRUE(task.declares_input("/ws/apps/web/src/a.ts"));
    EXPECT_FALSE(task.declares_input("/ws/apps/web/src/a.md"));
    EXPECT_TRUE(task.declares_input("/ws/dist/libs/ui/index.d.ts"));
    EXPECT_FALSE(task.declares_input("/ws/dist/libs/ui/index.js"));
    EXPECT_FALSE(task.declares_input("/ws/dist/apps/web/main.js")) << "an output is no input";
    EXPECT_TRUE(task.declares_output("/ws/dist/apps/web/main.js"));
    EXPECT_FALSE(task.declares_output("/ws/apps/web/src/a.ts"));
    EXPECT_FALSE(task.declares_input("/etc/passwd"));
}

TEST(Declaration, DeclarationsGrowWhileTheTaskRuns) {
    Declaration task = declaration();
    task.add_inputs(Patterns{"a"});
    EXPECT_FALSE(task.declares_input("/ws/b"));
    const auto faults = task.add_inputs(Patterns{"../x", "b"});
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].index, 0u);
    EXPECT_TRUE(task.declares_input("/ws/b"));
    EXPECT_TRUE(task.declares_input("/ws/a"));
}

TEST(Declaration, ExceptionsAloneMeanTheRestOfTheProject) {
    Declaration task = declaration();
    task.add_inputs(Patterns{"!{projectRoot}/**/*.md"});
    EXPECT_TRUE(task.declares_input("/ws/apps/web/a.ts"));
    EXPECT_TRUE(task.declares_input("/ws/apps/web/.env"));
    EXPECT_FALSE(task.declares_input("/ws/apps/web/docs/a.md"));
    EXPECT_FALSE(task.declares_input("/ws/libs/a.ts"));
    task.add_inputs(Patterns{"!{projectRoot}/x"});
    EXPECT_FALSE(task.declares_input("/ws/apps/web/x"));
    EXPECT_FALSE(task.declares_input("/ws/apps/web/docs/a.md"));
    task.add_inputs(Patterns{"libs"});
    EXPECT_FALSE(task.declares_input("/ws/apps/web/a.ts")) << "now something is declared";
    EXPECT_TRUE(task.declares_input("/ws/libs/a.ts"));
}

TEST(Declaration, WhatWasDeclaredByNameAndNotUsed) {
    Declaration task = declaration();
    task.add_inputs(
        Patterns{"{projectRoot}/a.ts", "{projectRoot}/b.ts", "lib", "unused/**", "!{projectRoot}/c.ts"});
    task.add_outputs(Patterns{"dist/x", "dist/y"});
    EXPECT_THAT(task.inputs_not_read(), ElementsAre("/ws/apps/web/a.ts", "/ws/apps/web/b.ts", "/ws/lib"));
    task.declares_input("/ws/apps/web/a.ts");
    task.declares_input("/ws/lib/deep/file");
    task.declares_output("/ws/dist/y/z");
    EXPECT_THAT(task.inputs_not_read(), ElementsAre("/ws/apps/web/b.ts"));
    EXPECT_THAT(task.outputs_not_written(), ElementsAre("/ws/dist/x"));
}

TEST(Declaration, PathsInTheWorkspace) {
    EXPECT_EQ(path_beneath("/ws", "/ws/a/b"), "a/b");
    EXPECT_EQ(path_beneath("/ws/", "/ws/a"), "a");
    EXPECT_EQ(path_beneath("/ws", "/ws"), ".");
    EXPECT_EQ(path_beneath("/ws", "/ws2/a"), std::nullopt);
    EXPECT_EQ(path_beneath("/ws", "ws/a"), std::nullopt);
    EXPECT_EQ(path_beneath("/", "/a"), "a");
    EXPECT_EQ(path_beneath("/", "/"), ".");
}

}  // namespace
}  // namespace spoor
