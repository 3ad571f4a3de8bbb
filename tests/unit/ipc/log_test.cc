#include "shim/ipc/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/files.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::EndsWith;

class LogTest : public testing::Test {
protected:
    [[nodiscard]] std::string file() const { return directory_.path() + "/log"; }

    [[nodiscard]] std::vector<std::string> lines() const {
        auto text = read_file(file(), 1 << 20);
        std::vector<std::string> found;
        std::istringstream all(text ? *text : "");
        for (std::string line; std::getline(all, line);) found.push_back(line);
        return found;
    }

    test::TempDir directory_;
};

TEST_F(LogTest, SaysWhoAndHowGrave) {
    Log log = Log::open(file(), "info", "recorder abc");
    log.debug("not at this level");
    log.info("tracing");
    log.warn("{} is no format");
    EXPECT_THAT(lines(), ElementsAre(EndsWith(" recorder abc info: tracing"),
                                     EndsWith(" recorder abc warning: {} is no format")));
}

TEST_F(LogTest, TwoAppendToOneFile) {
    Log first = Log::open(file(), "debug", "recorder"), second = Log::open(file(), "debug", "deliver");
    first.debug("one");
    second.info("two");
    first.info("three");
    EXPECT_THAT(lines(), ElementsAre(EndsWith(": one"), EndsWith(": two"), EndsWith(": three")));
}

TEST_F(LogTest, ATenantsNameMakesNoLineOfItsOwn) {
    Log::open(file(), "info", "recorder a\nb")
        .info("removed x\n2026-01-01T00:00:00.000 recorder info: all is well\x1b[2J");
    EXPECT_THAT(lines(),
                ElementsAre(EndsWith(
                    " recorder a?b info: removed x?2026-01-01T00:00:00.000 recorder info: all is well?[2J")));
}

TEST_F(LogTest, SilentWithoutAFile) {
    Log().warn("nobody hears");
    Log::open("", "info", "recorder").warn("nobody hears");
    Log::open(directory_.path(), "info", "recorder").warn("a directory is no file");
    EXPECT_TRUE(lines().empty());
}

}  // namespace
}  // namespace spoor
