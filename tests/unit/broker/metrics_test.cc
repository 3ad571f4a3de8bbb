#include "shim/broker/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"

namespace spoor::broker {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, AccountsComeAndGo) {
    Metrics metrics;
    metrics.accounts({{{"ci", 1000, false}, {2, 1024, 0}},
                      {{"ci", 1001, false}, {1, 512, 2048}},
                      {{"all", 0, true}, {3, 7, 0}}});
    std::string text = metrics.text();
    EXPECT_THAT(text, HasSubstr("spoor_sessions{tenant=\"ci\",uid=\"1000\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("spoor_ring_bytes{tenant=\"ci\",uid=\"1001\"} 512\n"));
    EXPECT_THAT(text, HasSubstr("spoor_dedupe_entries{tenant=\"ci\",uid=\"1001\"} 2048\n"));
    EXPECT_THAT(text, HasSubstr("spoor_sessions{tenant=\"all\",uid=\"\"} 3\n"));
    metrics.accounts({{{"ci", 1001, false}, {1, 512, 2048}}});
    text = metrics.text();
    EXPECT_THAT(text, Not(HasSubstr("uid=\"1000\"")));
    EXPECT_THAT(text, HasSubstr("spoor_sessions{tenant=\"ci\",uid=\"1001\"} 1\n"));
}

TEST(Metrics, ManyAccountsAreOneLabel) {
    Metrics metrics;
    std::map<Ledger::Account, Ledger::Use> in_use;
    for (uint32_t uid = 1; uid <= 5000; ++uid) in_use[{"ci", uid, false}] = {1, 10, 0};
    metrics.accounts(in_use);
    const std::string text = metrics.text();
    EXPECT_THAT(text, HasSubstr("spoor_sessions{tenant=\"ci\",uid=\"other\"} 4744\n"));
    EXPECT_THAT(text, HasSubstr("spoor_ring_bytes{tenant=\"ci\",uid=\"other\"} 47440\n"));
    size_t series = 0;
    for (size_t at = 0; (at = text.find("\nspoor_sessions{", at)) != std::string::npos; ++at) ++series;
    EXPECT_EQ(series, 257u);
}

TEST(Metrics, TheSocketIsForItsOwnerOrItsGroup) {
    const test::TempDir directory;
    const std::string path = directory / "m.sock";
    for (bool grouped : {false, true}) {
        Metrics metrics;
        Config::Metrics options;
        options.socket = path;
        if (grouped) options.group = std::to_string(::getegid());
        ASSERT_TRUE(metrics.bind(options));
        EXPECT_TRUE(metrics.served());
        struct stat st {};
        ASSERT_EQ(::stat(path.c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777, grouped ? 0660u : 0600u);
    }
    Metrics metrics;
    Config::Metrics options;
    options.socket = path;
    options.group = "no-such-group";
    const Status refused = metrics.bind(options);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("there is no group no-such-group"));
}

}  // namespace
}  // namespace spoor::broker
