// The program as it is typed; its manual and completions know all of its options.
#include <gmock/gmock.h>
#include <unistd.h>

#include <regex>
#include <set>

#include "base/files.h"
#include "support.h"

namespace spoor::ctl {
namespace {

using testing::HasSubstr;

std::set<std::string> options_of(const std::string& verb) {
    std::string help = spoorctl(verb + " --help").text;
    std::set<std::string> options;
    std::regex option("(^|\n)  (?:-\\w,)?(--[a-z-]+)");
    for (std::sregex_iterator at(help.begin(), help.end(), option), end; at != end; ++at)
        options.insert((*at)[2]);
    EXPECT_TRUE(options.contains("--help")) << help;
    return options;
}

TEST(Help, EveryVerbHasIt) {
    for (const char* verb : {"", "run", "show", "report", "deliver", "config", "config check", "config show",
                             "config explain", "sessions", "doctor"}) {
        Output help = spoorctl(std::string(verb) + " --help");
        EXPECT_EQ(help.code, 0) << verb;
        EXPECT_THAT(help.text, HasSubstr("Usage: spoorctl")) << verb;
    }
    EXPECT_EQ(spoorctl("--version").text, "spoorctl " SPOOR_VERSION "\n");
}

TEST(Help, ManualAndCompletionsKnowEveryOption) {
    for (const char* file : {"docs/man/spoorctl.1", "packaging/completions/spoorctl.bash",
                             "packaging/completions/_spoorctl", "packaging/completions/spoorctl.fish"}) {
        auto text = read_file(std::string(SOURCE_ROOT) + "/" + file, 1u << 20);
        ASSERT_TRUE(text) << file;
        bool fish = std::string_view(file).ends_with(".fish");
        for (const char* verb : {"", "run", "show", "report", "deliver", "config explain"}) {
            for (std::string option : options_of(verb)) {
                if (fish) option = "-l " + option.substr(2);
                // roff writes a hyphen that is to stay one as \-.
                if (std::string_view(file).ends_with(".1"))
                    option = std::regex_replace(option, std::regex("-"), "\\-");
                EXPECT_THAT(*text, HasSubstr(option)) << file;
            }
        }
    }
}

TEST(Help, WrongUsageHasItsOwnExitCode) {
    EXPECT_EQ(spoorctl("").code, 2);
    EXPECT_EQ(spoorctl("dance").code, 2);
    EXPECT_EQ(spoorctl("show").code, 2);
    EXPECT_EQ(spoorctl("show --nonsense /").code, 2);
    EXPECT_EQ(spoorctl("report").code, 2);
    EXPECT_EQ(spoorctl("report --format xml /").code, 2);
    EXPECT_EQ(spoorctl("report --format ultracache /").code, 2);
    EXPECT_EQ(spoorctl("report --format ultracache --commit main /").code, 2);
    EXPECT_EQ(spoorctl("report --format intoto /").code, 2);
    EXPECT_EQ(spoorctl("report --root / /").code, 2);
    EXPECT_EQ(spoorctl("deliver now").code, 2);
    EXPECT_EQ(spoorctl("deliver --once --status").code, 2);
    EXPECT_EQ(spoorctl("run").code, 125);
    EXPECT_EQ(spoorctl("run --nonsense -- true").code, 125);
    EXPECT_EQ(spoorctl("run --nonsense true").code, 125);
    EXPECT_EQ(spoorctl("run --image a --rootfs b -- true").code, 125);
    EXPECT_EQ(spoorctl("run --env novalue --runtime /bin/true -- true").code, 125);
    EXPECT_EQ(spoorctl("run --runtime /nonexistent -- true").code, 125);
    EXPECT_EQ(spoorctl("run --runtime /bin/true --podman /nonexistent -- true").code, 125);
    EXPECT_EQ(spoorctl("run --runtime /bin/true --podman /bin/true -w / -- true").code, 125);
}

TEST(Help, ErrorsAreOneLine) {
    for (const char* arguments :
         {"dance", "show /nonexistent", "report /nonexistent", "config check /nonexistent",
          "deliver --spool /nonexistent", "run --nonsense x"}) {
        std::string text = spoorctl(arguments).text;
        EXPECT_THAT(text, testing::StartsWith("spoorctl: ")) << arguments;
        EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    }
}

class Program : public InDirectory {};

// A podman that only says how it was called stands for the real one.
TEST_F(Program, RunHandsTheCommandOnUnchanged) {
    write("podman", "#!/bin/sh\nprintf '<%s>' \"$@\"; exit 42\n");
    write("work/x", "");
    ASSERT_EQ(::chmod((root + "/podman").c_str(), 0755), 0);
    std::string common = "run --podman " + root + "/podman --runtime /bin/true -w " + root + "/work ";
    Output output = spoorctl(common + "-- printf '%s' --json -- 'a b' ''");
    EXPECT_EQ(output.code, 42);
    EXPECT_THAT(output.text, HasSubstr("<printf><%s><--json><--><a b><>"));
    EXPECT_THAT(output.text, HasSubstr("spoorctl: no trail: the runtime made no trail"));
    EXPECT_THAT(spoorctl(common + "ls -l -- x").text, HasSubstr("<ls><-l><--><x>"));
    EXPECT_THAT(spoorctl(common + "-e A=1 --env B=2 -- env").text, HasSubstr("<--env><A=1><--env><B=2>"));
    EXPECT_THAT(spoorctl(common + "--podman-arg=--user=7 -- id").text, HasSubstr("<--user=7>"));
}

TEST_F(Program, RunLeavesNothingBehindUnlessTold) {
    write("podman", "#!/bin/sh\nexit 0\n");
    write("work/x", "");
    write("state/x", "");
    ASSERT_EQ(::chmod((root + "/podman").c_str(), 0755), 0);
    ::setenv("XDG_STATE_HOME", (root + "/state").c_str(), 1);
    std::string common = "run --podman " + root + "/podman --runtime /bin/true -w " + root + "/work ";
    spoorctl(common + "-- true");
    EXPECT_NE(::rmdir((root + "/state/spoor").c_str()), -1) << "empty";
    spoorctl(common + "--volume " + root + "/trail -- true");
    EXPECT_EQ(::access((root + "/trail").c_str(), F_OK), 0);
    EXPECT_NE(::rmdir((root + "/state/spoor").c_str()), -1) << "empty";
    ::unsetenv("XDG_STATE_HOME");
}

TEST_F(Program, RunIsNotFooledByAnOldTrail) {
    write("podman", "#!/bin/sh\nexit 0\n");
    write("work/x", "");
    ASSERT_EQ(::chmod((root + "/podman").c_str(), 0755), 0);
    make_session();
    write("trace/processes.jsonl", "");
    Output output = spoorctl("run --podman " + root + "/podman --runtime /bin/true -w " + root +
                             "/work --volume " + root + " -- true");
    EXPECT_THAT(output.text, HasSubstr("that of an earlier container"));
    EXPECT_THAT(output.text, testing::Not(HasSubstr("complete")));
}

TEST_F(Program, ShowAndConfig) {
    make_session();
    write("trace/processes.jsonl", "");
    write(
        "trace/accesses.jsonl",
        R"({"time":"t","pid":7,"start":1,"op":"rename","path":"/a","to":"/b","error":"EACCES","flags":["lexical"]})"
        "\n");
    Output shown = spoorctl("show " + root);
    EXPECT_EQ(shown.code, 0);
    EXPECT_THAT(shown.text, HasSubstr("complete: nothing was lost"));
    EXPECT_EQ(spoorctl("show --accesses " + root).text, "      7  rename      /a -> /b  EACCES  [lexical]\n");
    EXPECT_THAT(spoorctl("show --json " + root).text, HasSubstr("\"containerId\":\"c\""));
    EXPECT_EQ(spoorctl("show " + root + " > /dev/full").code, 1);

    write("good.yaml", "mode: warn\n");
    write("bad.yaml", "mode: loud\n");
    EXPECT_EQ(spoorctl("config check " + root + "/good.yaml").code, 0);
    Output bad = spoorctl("config check " + root + "/bad.yaml");
    EXPECT_EQ(bad.code, 1);
    EXPECT_THAT(bad.text, HasSubstr("bad.yaml:1:"));
}

TEST_F(Program, ExplainsWhichRuleAppliesToWhom) {
    write("rules.yaml",
          "tenants:\n"
          "  - name: ci\n"
          "    uid: [1000, 2000-2999]\n"
          "    modes: [warn, strict]\n"
          "  - name: pods\n"
          "    cgroup: /kubepods/*\n"
          "    annotations: {io.spoor.mode: strict}\n"
          "  - name: staff\n"
          "    gid: 50\n"
          "    containers: 7\n");
    const std::string explain = "config explain --file " + root + "/rules.yaml ";
    EXPECT_EQ(spoorctl("config check " + root + "/rules.yaml").code, 0);
    const struct {
        const char* who;
        const char* rule;
    } cases[] = {{"--uid 2500", "ci"},
                 {"--uid 3000 --gid 50", "staff"},
                 {"--uid 0 --cgroup /kubepods/pod1", "pods"},
                 {"--uid 3000", "default"}};
    for (const auto& [who, rule] : cases) {
        const Output output = spoorctl(explain + who);
        EXPECT_EQ(output.code, 0) << output.text;
        EXPECT_THAT(output.text, testing::StartsWith(std::string("rule ") + rule + ",")) << who;
    }
    EXPECT_THAT(spoorctl(explain + "--uid 2500").text, HasSubstr("rules.yaml:4"));
}

}  // namespace
}  // namespace spoor::ctl
