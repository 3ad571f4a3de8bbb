#include "shim/runtime/error_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::MatchesRegex;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

std::string stderr_of(const LogDestination& destination, const std::string& message) {
    CaptureStderr();
    report_error(destination, message);
    return GetCapturedStderr();
}

TEST(ErrorOutput, WithoutALogGoesToStderr) { EXPECT_EQ(stderr_of({}, "no"), "spoor: no\n"); }

TEST(ErrorOutput, WithoutALogInItsFormat) {
    const auto line = nlohmann::json::parse(stderr_of({"", "json"}, "no"));
    EXPECT_EQ(line["msg"], "spoor: no");
    EXPECT_EQ(line["level"], "error");
}

TEST(ErrorOutput, ALogGetsALineMore) {
    const test::TempDir dir;
    dir.write("log", "before\n");
    EXPECT_EQ(stderr_of({dir / "log", "text"}, "no"), "spoor: no\n");
    EXPECT_EQ(dir.read("log"), "before\nspoor: no\n");
    EXPECT_EQ(stderr_of({"file:" + (dir / "other"), "text"}, "no"), "spoor: no\n");
    EXPECT_EQ(dir.read("other"), "spoor: no\n");
}

TEST(ErrorOutput, JsonAsCrunWritesIt) {
    const test::TempDir dir;
    EXPECT_EQ(stderr_of({dir / "log", "json"}, "a \"b\" \xff"), "spoor: a \"b\" \xff\n");
    EXPECT_THAT(dir.read("log"), MatchesRegex(R"(\{"msg":"spoor: a \\"b\\" .*","level":"error",)"
                                              R"("time":"20..-..-..T..:..:..\.......Z"\}.)"));
    EXPECT_TRUE(nlohmann::json::accept(dir.read("log")));
}

TEST(ErrorOutput, IsOneLine) { EXPECT_EQ(stderr_of({}, "a\nb\x1b[0m"), "spoor: a?b?[0m\n"); }

TEST(ErrorOutput, ALogThatCannotBeWrittenCostsOnlyItsLine) {
    const test::TempDir dir;
    EXPECT_EQ(stderr_of({dir / "none/log", "text"}, "no"), "spoor: no\n");
    EXPECT_EQ(stderr_of({"syslog:x", "text"}, "no"), "spoor: no\n");
    ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(stderr_of({dir / "fifo", "text"}, "no"), "spoor: no\n");
}

}  // namespace
}  // namespace spoor
