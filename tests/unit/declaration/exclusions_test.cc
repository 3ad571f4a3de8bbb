#include "signal/declaration/exclusions.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ExclusionFile parse(std::string_view yaml) { return parse_exclusions(yaml, "f.yaml"); }

// The one warning, without the rest.
std::string warning_of(std::string_view yaml) {
    const auto file = parse(yaml);
    EXPECT_EQ(file.warnings.size(), 1u) << yaml;
    return file.warnings.empty() ? "" : file.warnings[0];
}

TEST(ExclusionFile, AsNxDocumentsIt) {
    const auto file = parse(R"(
exclude-reads:
  - '**/vite.config.*.timestamp-*'

task-exclusions:
  - project: myapp
    target: build
    exclude-reads:
      - .next/cache/**
    exclude-writes:
      - logs/**
  - target: lint
    exclude-reads:
      - .eslintcache/**
)");
    EXPECT_THAT(file.warnings, IsEmpty());
    ASSERT_EQ(file.rules.size(), 3u);
    EXPECT_EQ(file.rules[0].project, "myapp");
    EXPECT_EQ(file.rules[0].target, "build");
    EXPECT_THAT(file.rules[0].reads, ElementsAre(".next/cache/**"));
    EXPECT_THAT(file.rules[0].writes, ElementsAre("logs/**"));
    EXPECT_EQ(file.rules[1].project, "");
    EXPECT_EQ(file.rules[1].target, "lint");
    EXPECT_THAT(file.rules[2].reads, ElementsAre("**/vite.config.*.timestamp-*"));
}

TEST(ExclusionFile, TheNewerSpelling) {
    const auto file = parse(
        "ignore-reads: [a, b]\nignore-writes: [c]\ntask-exclusions: [{project: p, ignore-writes: [d]}]");
    EXPECT_THAT(file.warnings, IsEmpty());
    ASSERT_EQ(file.rules.size(), 2u);
    EXPECT_THAT(file.rules[0].writes, ElementsAre("d"));
    EXPECT_THAT(file.rules[1].reads, ElementsAre("a", "b"));
    EXPECT_THAT(file.rules[1].writes, ElementsAre("c"));
}

TEST(ExclusionFile, EmptyOnesAreFine) {
    for (const char* yaml :
         {"", "# nothing\n", "exclude-reads:\n", "task-exclusions:\n", "---\n...\n", "{}"}) {
        EXPECT_THAT(parse(yaml).warnings, IsEmpty()) << yaml;
        EXPECT_THAT(parse(yaml).rules, IsEmpty()) << yaml;
    }
}

TEST(ExclusionFile, FaultsNameTheirPlace) {
    EXPECT_EQ(warning_of("exclude-read: [a]"),
              "f.yaml:1:1: unknown key 'exclude-read'; did you mean 'exclude-reads'?");
    EXPECT_THAT(warning_of("exclude-reads: a"), HasSubstr("f.yaml:1:16: 'exclude-reads' wants a list"));
    EXPECT_THAT(warning_of("exclude-reads: [[a]]"), HasSubstr("one word each"));
    EXPECT_THAT(warning_of("- a"), HasSubstr("expected a map"));
    EXPECT_THAT(warning_of("a: [b"), HasSubstr("no valid YAML"));
    EXPECT_THAT(warning_of("task-exclusions: {a: b}"), HasSubstr("list of maps"));
    EXPECT_THAT(warning_of("task-exclusions: [a]"), HasSubstr("is a map"));
    EXPECT_THAT(warning_of("exclude-reads: [a]\nexclude-reads: [b]"),
                HasSubstr("2:1: 'exclude-reads' stands here for the second"));
    EXPECT_THAT(warning_of("x: &a [b]\n"), HasSubstr("unknown key 'x'"));
    EXPECT_THAT(warning_of("exclude-reads: &a [b]\nexclude-writes: *a"), HasSubstr("aliases"));
}

TEST(ExclusionFile, ARuleForFewerTasksNeverBecomesOneForMore) {
    for (const char* yaml :
         {"task-exclusions: [{exclude-reads: [a]}]", "task-exclusions: [{project: [x], exclude-reads: [a]}]",
          "task-exclusions: [{target: , project: p, exclude-reads: [a]}]"}) {
        EXPECT_THAT(parse(yaml).rules, IsEmpty()) << yaml;
        EXPECT_THAT(warning_of(yaml), HasSubstr("not used"));
    }
}

TEST(ExclusionFile, WhatIsRightIsUsed) {
    const auto file = parse("exclude-reads: [a, {b: c}, d]\nnonsense: 1\nexclude-writes: [e]");
    EXPECT_EQ(file.warnings.size(), 2u);
    ASSERT_EQ(file.rules.size(), 1u);
    EXPECT_THAT(file.rules[0].reads, ElementsAre("a", "d"));
    EXPECT_THAT(file.rules[0].writes, ElementsAre("e"));
}

TEST(ExclusionFile, HostileOnesAreRefused) {
    EXPECT_THAT(warning_of(std::string(300'000, ' ')), HasSubstr("larger than 262144"));
    EXPECT_THAT(warning_of("a: " + std::string(5000, '[')), HasSubstr("nested too deeply"));
    std::string many = "exclude-reads: [";
    for (int i = 0; i < 60'000; ++i) many += "a,";
    EXPECT_THAT(warning_of(many + "]"), HasSubstr("too many entries"));
    std::string faults;
    for (int i = 0; i < 5000; ++i) faults += "key" + std::to_string(i) + ": x\n";
    EXPECT_EQ(parse(faults).warnings.size(), 101u);
    EXPECT_EQ(warning_of("\"a\\nb\": c").find('\n'), std::string::npos);
}

class WorkspaceExclusions : public testing::Test {
protected:
    void write(const std::string& name, const std::string& text) { temporary_.write(name, text); }

private:
    test::TempDir temporary_;

protected:
    const std::string& root_ = temporary_.path();
    UniqueFd directory_{::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
};

TEST_F(WorkspaceExclusions, BothFilesCount) {
    EXPECT_THAT(load_workspace_exclusions(directory_.get()).warnings, IsEmpty());
    write(".nx/workflows/sandboxing-config.yaml", "exclude-reads: [a]");
    EXPECT_EQ(load_workspace_exclusions(directory_.get()).rules.size(), 1u);
    write(".nx/workflows/ultracache-config.yaml", "ignore-reads: [b]\nwrong: 1");
    const auto both = load_workspace_exclusions(directory_.get());
    ASSERT_EQ(both.rules.size(), 2u);
    EXPECT_THAT(both.rules[1].reads, ElementsAre("b"));
    EXPECT_THAT(both.warnings,
                ElementsAre(HasSubstr(".nx/workflows/ultracache-config.yaml:2:1: unknown key")));
}

TEST_F(WorkspaceExclusions, NoLinkIsFollowedAndNoFifoWaitedFor) {
    write("secret.yaml", "exclude-reads: [a]");
    std::filesystem::create_directories(root_ + "/.nx/workflows");
    std::filesystem::create_symlink(root_ + "/secret.yaml", root_ + "/.nx/workflows/sandboxing-config.yaml");
    ASSERT_EQ(::mkfifo((root_ + "/.nx/workflows/ultracache-config.yaml").c_str(), 0600), 0);
    const auto file = load_workspace_exclusions(directory_.get());
    EXPECT_THAT(file.rules, IsEmpty());
    EXPECT_THAT(file.warnings,
                ElementsAre(HasSubstr("sandboxing-config.yaml"), HasSubstr("not a regular file")));
    std::filesystem::rename(root_ + "/.nx/workflows", root_ + "/elsewhere");
    std::filesystem::create_symlink(root_ + "/elsewhere", root_ + "/.nx/workflows");
    EXPECT_THAT(load_workspace_exclusions(directory_.get()).warnings,
                ElementsAre(HasSubstr(".nx/workflows")));
}

Exclusions exclusions(const std::vector<ExclusionRule>& rules, const std::string& project = "web",
                      const std::string& target = "build") {
    Exclusions all(PatternContext{"/ws", "apps/web", project}, project, target);
    EXPECT_THAT(all.add(rules), IsEmpty());
    return all;
}

TEST(Exclusions, HoldForTheTasksThatTheyName) {
    const std::vector<ExclusionRule> rules{{"", "", {"all/**"}, {}},
                                           {"web", "", {"web/**"}, {}},
                                           {"", "lint", {"lint/**"}, {}},
                                           {"web", "build", {"both/**"}, {}}};
    const auto excluded = [&](const std::string& project, const std::string& target) {
        auto all = exclusions(rules, project, target);
        std::string names;
        for (const char* name : {"all", "web", "lint", "both"})
            if (all.excludes_read(std::string("/ws/") + name + "/x")) names += std::string(name) + " ";
        return names;
    };
    EXPECT_EQ(excluded("web", "build"), "all web both ");
    EXPECT_EQ(excluded("web", "lint"), "all web lint ");
    EXPECT_EQ(excluded("api", "build"), "all ");
    EXPECT_EQ(excluded("api", "lint"), "all lint ");
}

TEST(Exclusions, ReadsAndWritesApart) {
    auto all = exclusions({{"", "", {"r/**"}, {"w/**"}}});
    EXPECT_TRUE(all.excludes_read("/ws/r/x"));
    EXPECT_FALSE(all.excludes_write("/ws/r/x"));
    EXPECT_TRUE(all.excludes_write("/ws/w/x"));
}

TEST(Exclusions, BadPatternsAreToldAndTheRestHolds) {
    Exclusions all(PatternContext{"/ws", "", ""}, "p", "t");
    const std::vector<ExclusionRule> rules{{"", "", {"../out", "in"}, {}}};
    EXPECT_THAT(all.add(rules), ElementsAre(HasSubstr("'../out'")));
    EXPECT_TRUE(all.excludes_read("/ws/in"));
}

TEST(Exclusions, TheDefaultListHidesTheSystemAndNotTheWorkspace) {
    for (const std::string workspace : {"/ws", "/tmp/ws", "/usr/src/app", "/home/user/ws"}) {
        Exclusions all(PatternContext{workspace, "apps/web", "web"}, "web", "build");
        all.add_defaults();
        for (const char* path :
             {"/usr/lib/x.so", "/etc/passwd", "/proc/self/maps", "/lib64/ld.so", "/opt/node/bin/node",
              "/home/me/.npm/_cacache/x", "/root/.cache/y", "/home/me/.gitconfig"})
            EXPECT_TRUE(all.excludes_read(path)) << path;
        for (const char* path : {"/tmp/x", "/dev/null", "/var/tmp/y", "/run/spoor/agent/z.json"}) {
            EXPECT_TRUE(all.excludes_read(path)) << path;
            EXPECT_TRUE(all.excludes_write(path)) << path;
        }
        EXPECT_FALSE(all.excludes_write("/usr/lib/x.so"));
        EXPECT_FALSE(all.excludes_write("/etc/passwd"));
        EXPECT_FALSE(all.excludes_read("/data/shared.json"));
        EXPECT_FALSE(all.excludes_read("/home/me/other/file"));
        EXPECT_FALSE(all.excludes_read(workspace + "/apps/web/src/a.ts"));
        EXPECT_FALSE(all.excludes_write(workspace + "/apps/web/out.js"));
        EXPECT_FALSE(all.excludes_read(workspace + "/tmp/x"));
        EXPECT_TRUE(all.excludes_read(workspace + "/node_modules/a/index.js"));
        EXPECT_TRUE(all.excludes_read(workspace + "/libs/b/node_modules/a/index.js"));
        EXPECT_FALSE(all.excludes_write(workspace + "/node_modules/a/index.js"));
        EXPECT_TRUE(all.excludes_write(workspace + "/node_modules/.cache/babel/x"));
        EXPECT_TRUE(
            all.excludes_write(workspace + "/node_modules/.vite-temp/vite.config.ts.timestamp-1.mjs"));
        EXPECT_TRUE(all.excludes_read(workspace + "/.nx/workspace-data/d/daemon.log"));
        EXPECT_FALSE(all.excludes_read(workspace + "/.git/HEAD"));
    }
}

TEST(Exclusions, AnExceptionBringsBackWhatTheDefaultsHide) {
    Exclusions all(PatternContext{"/ws", "apps/web", "web"}, "web", "build");
    const std::vector<ExclusionRule> rules{{"", "", {"!/tmp/shared/**", "!node_modules/patched/**"}, {}}};
    EXPECT_THAT(all.add(rules), IsEmpty());
    all.add_defaults();
    EXPECT_FALSE(all.excludes_read("/tmp/shared/x"));
    EXPECT_TRUE(all.excludes_read("/tmp/other"));
    EXPECT_TRUE(all.excludes_write("/tmp/shared/x"));
    EXPECT_FALSE(all.excludes_read("/ws/node_modules/patched/index.js"));
    EXPECT_TRUE(all.excludes_read("/ws/node_modules/other/index.js"));
}

TEST(Exclusions, TheManualHasTheDefaultList) {
    const auto manual = read_file(std::string(SPOOR_DOCS) + "/declarations.md", 1 << 20);
    ASSERT_TRUE(manual) << manual.error().message;
    for (const DefaultExclusion& one : default_exclusions()) {
        const std::string kind = one.reads && one.writes ? "reads and writes"
                                 : one.reads             ? "reads"
                                                         : "writes";
        const std::string row = std::string("| `") + one.pattern + "` | " + kind + " | " + one.reason + " |";
        EXPECT_THAT(*manual, HasSubstr(row));
    }
}

}  // namespace
}  // namespace spoor
