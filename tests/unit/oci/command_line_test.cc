#include "oci/command_line.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace spoor {
namespace {

using Verb = CommandLine::Verb;
using Words = std::vector<const char*>;

std::optional<CommandLine> parse(std::initializer_list<const char*> words) {
    Words argv{"/usr/bin/spoor"};
    argv.insert(argv.end(), words);
    return parse_command_line(argv);
}

TEST(CommandLine, AsConmonCalls) {
    const auto line =
        parse({"--systemd-cgroup", "--log-format=json", "--log", "/l", "create", "--bundle", "/b",
               "--pid-file", "/p", "--no-pivot", "--preserve-fds", "3", "--console-socket", "/s", "c1"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->verb, Verb::create);
    EXPECT_EQ(line->container_id, "c1");
    EXPECT_EQ(line->bundle, "/b");
    EXPECT_EQ(line->config, "config.json");
    EXPECT_EQ(line->log, "/l");
    EXPECT_EQ(line->log_format, "json");
    EXPECT_EQ(line->verb_index, 5u);
    EXPECT_EQ(line->options_end, 15u);
}

TEST(CommandLine, AsContainerdCalls) {
    const auto line = parse({"--root", "/r", "--log", "/t/log.json", "--log-format", "json", "create",
                             "--bundle", "/t", "--pid-file", "/t/init.pid", "c1"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->bundle, "/t");
    EXPECT_EQ(line->container_id, "c1");
    EXPECT_EQ(line->log, "/t/log.json");
}

TEST(CommandLine, Defaults) {
    const auto line = parse({"run", "c1"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->verb, Verb::run);
    EXPECT_EQ(line->bundle, ".");
    EXPECT_EQ(line->log, "");
    EXPECT_EQ(line->log_format, "text");
    EXPECT_EQ(line->options_end, 2u);
}

TEST(CommandLine, EveryWayToWriteABundle) {
    const std::initializer_list<std::initializer_list<const char*>> lines = {
        {"run", "--bundle", "/b", "c"}, {"run", "--bundle=/b", "c"}, {"run", "--b=/b", "c"},
        {"run", "--bun", "/b", "c"},    {"run", "-b", "/b", "c"},    {"run", "-b/b", "c"},
        {"run", "-db/b", "c"},          {"run", "-db", "/b", "c"},   {"run", "-b", "/a", "-b/b", "c"},
        {"run", "-b/b", "--", "c"}};
    for (const auto& words : lines) {
        const auto line = parse(words);
        ASSERT_TRUE(line) << *(words.begin() + 1);
        EXPECT_EQ(line->bundle, "/b");
        EXPECT_EQ(line->container_id, "c");
    }
}

TEST(CommandLine, AValueMayLookLikeAnOption) {
    const auto line = parse({"--log", "--root", "run", "-b", "--", "-f-b", "c"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->log, "--root");
    EXPECT_EQ(line->bundle, "--");
    EXPECT_EQ(line->config, "-b");
}

TEST(CommandLine, OptionsEndBeforeTheirTerminator) {
    const auto line = parse({"create", "-b", "/b", "--", "--help"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->container_id, "--help");
    EXPECT_EQ(line->options_end, 4u);
}

TEST(CommandLine, ALoneDashIsAnId) {
    const auto line = parse({"run", "-"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->container_id, "-");
}

TEST(CommandLine, GlobalTerminator) {
    const auto line = parse({"--debug", "--", "run", "c"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->verb_index, 3u);
}

TEST(CommandLine, Restore) {
    const auto line =
        parse({"restore", "--bundle", "/b", "--detach", "--image-path", "/i", "--work-path", "/w", "c"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->verb, Verb::restore);
    EXPECT_EQ(line->bundle, "/b");
    EXPECT_TRUE(parse({"restore", "c", "extra"}));
    EXPECT_FALSE(parse({"restore", "--config", "/f", "c"}));
}

TEST(CommandLine, OptionsOfOtherRuntimes) {
    EXPECT_TRUE(parse({"create", "--pidfd-socket", "/s", "--no-mount-fallback", "c"}));
    // They do not make crun's own abbreviations ambiguous.
    EXPECT_TRUE(parse({"create", "--pid=/p", "c"}));
    EXPECT_FALSE(parse({"create", "--pidfd=/p", "c"}));
}

TEST(CommandLine, WhatCrunMustJudgePassesUntouched) {
    const std::initializer_list<std::initializer_list<const char*>> lines = {
        {},
        {"run"},
        {"state", "c"},
        {"--version"},
        {"-v", "run", "c"},
        {"--help", "run", "c"},
        {"run", "--help", "c"},
        {"run", "-?", "c"},
        {"run", "--usage", "c"},
        {"run", "-b", "/b"},
        {"run", "-b"},
        {"--log"},
        {"run", "c", "d"},
        {"run", "c", "--bundle", "/b"},  // options end at the first word
        {"create", "-d", "c"},           // an option of run
        {"create", "--nonsense", "c"},
        {"create", "--no", "c"},          // ambiguous
        {"create", "--p=1", "c"},         // ambiguous
        {"create", "--no-pivot=1", "c"},  // takes no value
        {"--nonsense", "run", "c"},
        {"--sys=1", "run", "c"},
        {"-x", "run", "c"},
        {"", "c"},
        {"running", "c"},
    };
    for (const auto& words : lines) EXPECT_FALSE(parse(words)) << (words.size() > 0 ? *words.begin() : "");
    EXPECT_FALSE(parse_command_line({}));
}

TEST(CommandLine, ExactNamesBeatAbbreviations) {
    const auto line = parse({"--log=/l", "--log-f=json", "run", "c"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->log, "/l");
    EXPECT_EQ(line->log_format, "json");
}

TEST(LogDestination, IsFoundOnAnyCommandLine) {
    const Words argv{"spoor", "--log", "/l", "--log-format=json", "state", "--nonsense"};
    EXPECT_EQ(parse_log_destination(argv).log, "/l");
    EXPECT_EQ(parse_log_destination(argv).format, "json");
    const Words broken{"spoor", "--log", "/l", "--nonsense", "--log-format=json"};
    EXPECT_EQ(parse_log_destination(broken).log, "/l");
    EXPECT_EQ(parse_log_destination(broken).format, "text");
}

std::optional<CommandLine> parse_runc(std::initializer_list<const char*> words) {
    Words argv{"/usr/bin/spoor"};
    argv.insert(argv.end(), words);
    return parse_command_line(argv, Dialect::runc);
}

// As runc 1.1.5 was seen to take them.
TEST(RuncCommandLine, EveryWayToWriteABundle) {
    const std::initializer_list<std::initializer_list<const char*>> lines = {
        {"run", "--bundle", "/b", "c"},
        {"run", "-bundle", "/b", "c"},
        {"run", "-b=/b", "c"},
        {"run", "-b", "/b", "c"},
        {"run", "c", "--bundle", "/b"},
        {"run", "-d", "c", "-bundle=/b"},
        {"run", "--detach=false", "--bundle=/b", "c"},
        {"run", "-b", "/a", "c", "-b", "/b"},
        {"run", "-b", "/b", "--", "c"}};
    for (const auto& words : lines) {
        const auto line = parse_runc(words);
        ASSERT_TRUE(line) << *(words.begin() + 1);
        EXPECT_EQ(line->bundle, "/b");
        EXPECT_EQ(line->container_id, "c");
    }
}

TEST(RuncCommandLine, AnOptionCanBePutLast) {
    EXPECT_EQ(parse_runc({"run", "c", "-b", "/b"})->options_end, 5u);
    EXPECT_EQ(parse_runc({"run", "-b", "/b", "c"})->options_end, 5u);
    EXPECT_EQ(parse_runc({"run", "-b", "/b", "--", "c"})->options_end, 4u);
}

TEST(RuncCommandLine, GlobalsAndWhatRuncRefuses) {
    const auto line = parse_runc({"-log=/l", "--log-format", "json", "create", "c"});
    ASSERT_TRUE(line);
    EXPECT_EQ(line->log, "/l");
    EXPECT_EQ(line->log_format, "json");
    for (const auto& words :
         std::initializer_list<std::initializer_list<const char*>>{{"run", "-db", "/b", "c"},
                                                                   {"run", "--bun", "/b", "c"},
                                                                   {"run", "a", "b"},
                                                                   {"run"},
                                                                   {"run", "-b"},
                                                                   {"run", "--help"},
                                                                   {"--version"},
                                                                   {"list"}})
        EXPECT_FALSE(parse_runc(words));
}

}  // namespace
}  // namespace spoor
