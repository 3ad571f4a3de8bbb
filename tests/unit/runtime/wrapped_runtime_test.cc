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

TEST(Handover, IsUnderstoodByTheRuntime) {
    EXPECT_EQ(handover_option("/usr/bin/crun", Verb::create), Option::config);
    EXPECT_EQ(handover_option("/opt/crun-wasm", Verb::run), Option::config);
    EXPECT_EQ(handover_option("/usr/bin/crun", Verb::restore), Option::bundle);
    EXPECT_EQ(handover_option("/usr/sbin/runc", Verb::create), Option::bundle);
    EXPECT_EQ(handover_option("/opt/crunch", Verb::create), Option::bundle);
    EXPECT_FALSE(runs_create_hooks("/usr/bin/crun", Verb::restore));
    EXPECT_TRUE(runs_create_hooks("/usr/sbin/runc", Verb::restore));
    EXPECT_TRUE(runs_create_hooks("/usr/bin/crun", Verb::create));
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
