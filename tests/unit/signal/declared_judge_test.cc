#include "signal/declared_judge.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/path_table.h"
#include "signal/declaration/path_table.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::put;
using test::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TaskContext web() {
    return {.task_id = "web:build:production",
            .workspace_root = "/ws",
            .project_root = "apps/web",
            .project = "web",
            .projects = {{"web", "apps/web"}, {"lib", "libs/lib"}}};
}

TaskDeclared declared(std::vector<std::string> inputs, std::vector<std::string> outputs) {
    TaskDeclared made;
    made.inputs = std::move(inputs);
    made.outputs = std::move(outputs);
    return made;
}

TEST(DeclaredJudge, JudgesByPatterns) {
    auto made = declared_judge({})(web());
    ASSERT_TRUE(made.judge);
    EXPECT_THAT(made.warnings, IsEmpty());
    TaskDeclared more =
        declared({"{projectRoot}/src/**/*.ts", "tsconfig.json", "!**/*.spec.ts"}, {"dist/{projectName}"});
    more.dependencies_outputs = {"dist/lib/**"};
    EXPECT_THAT(made.judge->declare(more), IsEmpty());
    EXPECT_EQ(made.judge->read("/ws/apps/web/src/a/b.ts"), Verdict::declared);
    EXPECT_EQ(made.judge->read("/ws/apps/web/src/a.spec.ts"), Verdict::undeclared);
    EXPECT_EQ(made.judge->read("/ws/dist/lib/x.js"), Verdict::declared);
    EXPECT_EQ(made.judge->read("/ws/dist/web/x.js"), Verdict::undeclared);
    EXPECT_EQ(made.judge->read("/usr/lib/x.so"), Verdict::excluded);
    EXPECT_EQ(made.judge->write("/ws/dist/web/x.js"), Verdict::declared);
    EXPECT_EQ(made.judge->write("/ws/x.log"), Verdict::undeclared);
    EXPECT_THAT(made.judge->inputs_not_read(), ElementsAre("/ws/tsconfig.json"));
    EXPECT_THAT(made.judge->outputs_not_written(), IsEmpty());
}

TEST(DeclaredJudge, TheTableRefusesWhatIsUndeclared) {
    for (const char* workspace : {"/ws", "/tmp/odd [name]", "/"}) {
        TaskContext context = web();
        context.workspace_root = workspace;
        auto made = declared_judge({})(context);
        made.judge->declare(
            declared({"{projectRoot}/src/**/*.ts", "tsconfig.json", "!**/*.spec.ts", "/srv/x"},
                     {"dist/{projectName}"}));
        auto table = made.judge->refusals(true, true);
        ASSERT_TRUE(table) << table.error().message;
        EXPECT_LT(table->size(), 64u * 1024);
        std::vector<uint8_t> window(SPOOR_WINDOW_BYTES);
        std::copy(table->begin(), table->end(), window.begin() + 64);
        size_t refused = 0;
        const std::string root = workspace == std::string("/") ? "" : workspace;
        for (const std::string& path : {root + "/apps/web/src/a/b.ts",
                                        root + "/apps/web/src/a.spec.ts",
                                        root + "/apps/web/x.ts",
                                        root + "/tsconfig.json",
                                        root + "/dist/web/main.js",
                                        root + "/dist/lib/x.js",
                                        root + "/node_modules/a/b.js",
                                        root + "/node_modules/.cache/x",
                                        root + "/.git/HEAD",
                                        root + "/.nx/cache/x",
                                        std::string("/usr/lib/x.so"),
                                        std::string("/tmp/x"),
                                        std::string("/etc/x"),
                                        std::string("/srv/x"),
                                        std::string("/srv/y"),
                                        std::string("/home/me/.npmrc"),
                                        std::string("/home/me/.cache/x"),
                                        std::string("/home/me/x"),
                                        std::string("/"),
                                        root + "/x"}) {
            const bool read = made.judge->read(path) != Verdict::undeclared;
            const bool write = made.judge->write(path) != Verdict::undeclared;
            const unsigned want = (read || write ? 0u : unsigned{SPOOR_REFUSE_READ}) |
                                  (write ? 0u : unsigned{SPOOR_REFUSE_WRITE});
            EXPECT_EQ(walk_path_table(window, 64, path), want) << path << " in " << workspace;
            refused += want != 0;
        }
        EXPECT_GT(refused, 5u);
        // Without outputs nobody knows what the task has written itself.
        table = made.judge->refusals(true, false);
        ASSERT_TRUE(table);
        std::copy(table->begin(), table->end(), window.begin() + 64);
        EXPECT_EQ(walk_path_table(window, 64, root + "/apps/web/x.ts"), 0u);
    }
}

TEST(DeclaredJudge, SaysWhatIsWrongWithPatterns) {
    auto made = declared_judge({})(web());
    EXPECT_THAT(made.judge->declare(declared({"../outside"}, {})), ElementsAre(HasSubstr("inputs: ")));
}

TEST(DeclaredJudge, Suggests) {
    auto made = declared_judge({})(web());
    EXPECT_EQ(made.judge->pattern_for("/ws/apps/web/a[1].ts"), "{projectRoot}/a\\[1\\].ts");
    EXPECT_EQ(made.judge->pattern_for("/ws/root.json"), "{workspaceRoot}/root.json");
    EXPECT_EQ(made.judge->pattern_for("/etc/x"), "/etc/x");
    const std::vector<std::string> reads{"/ws/libs/lib/secret.ts"}, writes{"/ws/apps/web/out.log"};
    auto suggestions = made.judge->suggest({reads, writes, reads, writes});
    ASSERT_EQ(suggestions.inputs.size(), 1u);
    EXPECT_EQ(suggestions.inputs[0].project, "lib");
    EXPECT_EQ(suggestions.inputs[0].files, 1u);
    ASSERT_EQ(suggestions.outputs.size(), 1u);
    EXPECT_THAT(suggestions.project_json, HasSubstr("\"build\""));
    // What is suggested is enough.
    made.judge->declare(declared({suggestions.inputs[0].pattern}, {suggestions.outputs[0].pattern}));
    EXPECT_EQ(made.judge->write(writes[0]), Verdict::declared);
}

TEST(DeclaredJudge, ReadsTheWorkspacesExclusionsForEachTask) {
    TemporaryDirectory directory;
    DeclaredJudgeOptions options;
    options.operators = {{.project = "", .target = "build", .reads = {"ops/**"}, .writes = {}}};
    std::string asked;
    options.open_workspace = [&](const std::string& root) {
        asked = root;
        return open_file(directory.path(), O_RDONLY | O_DIRECTORY);
    };
    auto make = declared_judge(std::move(options));
    EXPECT_EQ(make(web()).judge->read("/ws/secret/a"), Verdict::undeclared);
    EXPECT_EQ(asked, "/ws");
    ASSERT_TRUE(make_directories(directory.path(".nx/workflows"), 0755));
    put(directory.path(".nx/workflows/sandboxing-config.yaml"), "exclude-reads:\n  - secret/**\n");
    auto judge = make(web()).judge;
    EXPECT_EQ(judge->read("/ws/secret/a"), Verdict::excluded);
    EXPECT_EQ(judge->read("/ws/ops/a"), Verdict::excluded);
    EXPECT_EQ(judge->write("/ws/secret/a"), Verdict::undeclared);
    TaskContext other = web();
    other.task_id = "web:test";
    EXPECT_EQ(make(other).judge->read("/ws/ops/a"), Verdict::undeclared);
}

}  // namespace
}  // namespace spoor
