#include "shim/runtime/runtime_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(RuntimeFeatures, HaveToListTheHook) {
    EXPECT_TRUE(calls_create_runtime("/r", R"({"hooks": ["prestart", "createRuntime"]})"));
    for (const char* answer : {R"({"hooks": ["prestart", "poststop"]})", R"({"hooks": []})"}) {
        const auto status = calls_create_runtime("/usr/bin/other", answer);
        ASSERT_FALSE(status) << answer;
        EXPECT_EQ(status.error().code, ENOTSUP);
        EXPECT_THAT(status.error().message,
                    testing::AllOf(HasSubstr("/usr/bin/other"), HasSubstr("createRuntime")));
    }
}

TEST(RuntimeFeatures, SayNothingIfTheyAreNone) {
    for (const char* answer :
         {"", "unknown command features\n", "{", "[]", "null", "{}", R"({"hooks": 1})", "\xff"})
        EXPECT_TRUE(calls_create_runtime("/r", answer)) << answer;
}

TEST(RuntimeFeatures, AreAskedForByTheVerb) {
    const test::TempDir dir;
    const auto without =
        dir.write("without", "#!/bin/sh\n[ $# = 1 ] && [ $1 = features ] && echo '{\"hooks\": []}'\n", true);
    EXPECT_FALSE(ask_for_hooks(without, milliseconds(20000)));
    const auto failing = dir.write("failing", "#!/bin/sh\necho '{\"hooks\"'\nexit 1\n", true);
    EXPECT_TRUE(ask_for_hooks(failing, milliseconds(20000)));
    EXPECT_TRUE(ask_for_hooks(dir / "nothing", milliseconds(20000)));
}

TEST(RuntimeFeatures, ThatDoNotComeAreNotWaitedFor) {
    const test::TempDir dir;
    const auto hanging = dir.write("hanging", "#!/bin/sh\nexec sleep 1000\n", true);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(ask_for_hooks(hanging, milliseconds(50)));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace spoor
