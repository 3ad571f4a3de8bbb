#include "shim/runtime/wrapped_runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using Verb = CommandLine::Verb;
using Option = Handover::Option;

std::vector<std::string> handed(const std::vector<const char*>& argv, Option option = Option::config) {
    return with_handover(argv, *parse_command_line(argv), {option, "/p"});
}

TEST(Handover, IsTheLastOption) {
    EXPECT_THAT(handed({"s", "--log", "/l", "run", "-f", "mine", "c"}),
                ElementsAre("s", "--log", "/l", "run", "-f", "mine", "--config", "/p", "c"));
    EXPECT_THAT(handed({"s", "create", "-b", "/b", "--", "c"}),
                ElementsAre("s", "create", "-b", "/b", "--config", "/p", "--", "c"));
    EXPECT_THAT(handed({"s", "create", "--bundle=/b", "c"}, Option::bundle),
                ElementsAre("s", "create", "--bundle=/b", "--bundle", "/p", "c"));
}

TEST(Handover, NamesTheBundleAsTheCallerOfRuncDid) {
    const auto handed_to_runc = [](const std::vector<const char*>& argv) {
        return with_handover(argv, *parse_command_line(argv, Dialect::runc), {Option::bundle, "/p"});
    };
    EXPECT_THAT(handed_to_runc({"s", "run", "-b", "/b", "c"}),
                ElementsAre("s", "run", "-b", "/b", "c", "-b", "/p"));
    EXPECT_THAT(handed_to_runc({"s", "run", "c"}), ElementsAre("s", "run", "c", "--bundle", "/p"));
    EXPECT_THAT(handed_to_runc({"s", "run", "-bundle=/b", "--", "c"}),
                ElementsAre("s", "run", "-bundle=/b", "--bundle", "/p", "--", "c"));
}

TEST(Handover, IsUnderstoodByTheRuntime) {
    EXPECT_EQ(handover_option("/usr/bin/crun", Verb::create), Option::config);
    EXPECT_EQ(handover_option("/opt/crun-wasm", Verb::run), Option::config);
    EXPECT_EQ(handover_option("/usr/bin/crun", Verb::restore), Option::bundle);
    EXPECT_EQ(handover_option("/usr/sbin/runc", Verb::create), Option::bundle);
    EXPECT_EQ(handover_option("/opt/crunch", Verb::create), Option::bundle);
    EXPECT_EQ(dialect_of("/usr/bin/crun"), Dialect::crun);
    EXPECT_EQ(dialect_of("/usr/bin/youki"), Dialect::crun);
    EXPECT_EQ(dialect_of("/usr/sbin/runc"), Dialect::runc);
    EXPECT_TRUE(is_known("/usr/bin/crun") && is_known("/usr/sbin/runc"));
    EXPECT_FALSE(is_known("/usr/bin/youki"));
}

TEST(WrappedRuntime, CanBeTracedOrSaysWhyNot) {
    EXPECT_FALSE(can_be_traced("/usr/bin/crun", Verb::restore));
    EXPECT_TRUE(can_be_traced("/usr/sbin/runc", Verb::restore));
    EXPECT_TRUE(can_be_traced("/usr/bin/crun", Verb::create));
    for (const char* runtime : {"/usr/bin/runsc", "/usr/bin/kata-runtime", "/usr/bin/krun"})
        EXPECT_THAT(can_be_traced(runtime, Verb::create).error().message,
                    testing::AllOf(testing::HasSubstr(runtime), testing::HasSubstr("kernel of their own")));
}

TEST(BundleCopy, HasTheNewSpecAndLinksToTheRest) {
    const test::TempDir dir;
    dir.write("b/config.json", "old");
    dir.write("b/rootfs/bin/x", "x");
    ASSERT_TRUE(make_bundle_copy({dir / "b", "old"}, dir / "copy", "new"));
    EXPECT_EQ(dir.read("copy/config.json"), "new");
    EXPECT_EQ(dir.read("copy/rootfs/bin/x"), "x");
    EXPECT_EQ(dir.read("b/config.json"), "old");
    EXPECT_FALSE(make_bundle_copy({dir / "b", "old"}, dir / "copy", "new"));
}

TEST(BecomeRuntime, SaysWhatIsMissing) {
    const std::vector<const char*> argv{"spoor"};
    EXPECT_THAT(become_runtime("/nonexistent/crun", argv).message,
                testing::AllOf(testing::HasSubstr("/nonexistent/crun"), testing::HasSubstr("'runtime'")));
}

}  // namespace
}  // namespace spoor
