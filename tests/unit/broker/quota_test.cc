#include "shim/broker/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spoor::broker {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr uint32_t mib = 1u << 20;
const Tenant alice{1000, {1000}, ""};
const Tenant bob{1001, {1001}, ""};

TenantRule small_rule(const char* name = "small") {
    TenantRule rule;
    rule.name = name;
    rule.containers.value = 2;
    rule.ring_bytes.value = 4 * mib;
    rule.ring_bytes_each.value = 2 * mib;
    rule.connections.value = 2;
    rule.requests.value = 10;
    return rule;
}

TEST(Quota, ContainersAreCountedForEachUid) {
    Ledger ledger({small_rule()});
    auto first = ledger.hold(alice, mib);
    auto second = ledger.hold(alice, mib);
    ASSERT_TRUE(first && second);
    auto third = ledger.hold(alice, mib);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().limit, Limit::containers);
    EXPECT_EQ(third.error().text, "tenant small (uid 1000) has 2 of 2 containers");
    EXPECT_TRUE(ledger.hold(bob, mib)) << "another's are another's";
    { auto ended = std::move(*first); }
    EXPECT_TRUE(ledger.hold(alice, mib)) << "what ended counts no more";
}

TEST(Quota, AnAccountCanBeOfAllUidsTogether) {
    TenantRule rule = small_rule();
    rule.account.value = AccountOf::together;
    rule.uids = {{1000, 1001}};
    Ledger ledger({rule});
    auto first = ledger.hold(alice, mib);
    auto second = ledger.hold(bob, mib);
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(ledger.hold(bob, mib));
    EXPECT_TRUE(ledger.hold({1002, {}, ""}, mib)) << "not one of them";
    EXPECT_EQ(ledger.in_use().size(), 1u);
}

TEST(Quota, DedupeEntriesAreBoundedInAll) {
    TenantRule rule = small_rule();
    rule.containers.value = 10;
    rule.dedupe_entries.value = 3 * 2048;
    rule.dedupe_entries_each.value = 2048;
    Ledger ledger({rule});
    EXPECT_EQ(ledger.dedupe_entries(alice), 2048u);
    EXPECT_EQ(ledger.dedupe_sizes(), std::set<uint32_t>{2048}) << "the rule is for everybody";
    auto first = ledger.hold(alice, 1024);
    auto second = ledger.hold(alice, 1024);
    auto kept = ledger.keep(alice, 1024, 1024);  // of before, when a table was smaller
    ASSERT_TRUE(first && second);
    auto third = ledger.hold(alice, 1024);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().limit, Limit::dedupe_entries);
    EXPECT_EQ(third.error().text,
              "tenant small (uid 1000) has 5120 of 6144 dedupe entries, and a container takes 2048");
    EXPECT_TRUE(ledger.hold(bob, 1024)) << "another's are another's";
    { auto ended = std::move(*first); }
    EXPECT_TRUE(ledger.hold(alice, 1024)) << "what ended counts no more";

    rule.uids = {{1000, 1000}};
    ledger.replace({rule});
    EXPECT_EQ(ledger.dedupe_sizes(), (std::set<uint32_t>{2048, TenantRule().dedupe_entries_each.value}));
}

TEST(Quota, RingsAreBoundedEachAndInAll) {
    Ledger ledger({small_rule()});
    EXPECT_EQ(ledger.largest_ring(alice), 2 * mib);
    auto large = ledger.hold(alice, 4 * mib);
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().limit, Limit::ring_bytes_each);
    auto first = ledger.hold(alice, 2 * mib);
    auto second = ledger.hold(alice, mib);
    ASSERT_TRUE(first && second);
    auto grown = first->grow(4 * mib);
    ASSERT_FALSE(grown);
    EXPECT_EQ(grown.error().limit, Limit::ring_bytes_each);
    EXPECT_TRUE(second->grow(2 * mib));
    EXPECT_EQ(ledger.in_use().begin()->second.ring_bytes, 4 * mib);

    TenantRule rule = small_rule();
    rule.ring_bytes.value = 3 * mib;
    ledger.replace({rule});
    auto more = first->grow(2 * mib);
    EXPECT_TRUE(more) << "it is no larger than it was";
    { auto ended = std::move(*second); }
    auto other = ledger.hold(alice, 2 * mib);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().limit, Limit::ring_bytes);
    EXPECT_THAT(other.error().text,
                HasSubstr("has 2097152 of 3145728 bytes of rings, and asked for 2097152"));
}

TEST(Quota, GrowthIsBoundedInAll) {
    TenantRule rule = small_rule();
    rule.ring_bytes.value = 2 * mib;
    Ledger ledger({rule});
    auto first = ledger.hold(alice, mib);
    auto second = ledger.hold(alice, mib);
    ASSERT_TRUE(first && second);
    auto grown = first->grow(2 * mib);
    ASSERT_FALSE(grown);
    EXPECT_EQ(grown.error().limit, Limit::ring_bytes);
    EXPECT_EQ(ledger.in_use().begin()->second.ring_bytes, 2 * mib) << "a refusal takes nothing";
}

TEST(Quota, ConnectionsGiveTheirPlacesBack) {
    Ledger ledger({small_rule()});
    auto first = ledger.connect(alice);
    auto second = ledger.connect(alice);
    ASSERT_TRUE(first && second);
    auto third = ledger.connect(alice);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().limit, Limit::connections);
    EXPECT_TRUE(ledger.connect(bob));
    { auto gone = std::move(*first); }
    EXPECT_TRUE(ledger.connect(alice));
}

TEST(Quota, RequestsComeBackWithTime) {
    Ledger ledger({small_rule()});
    Ledger::Clock::time_point now{1h};
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(ledger.request(alice, now));
    auto refused = ledger.request(alice, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().limit, Limit::requests);
    EXPECT_FALSE(refused.error().again);
    EXPECT_TRUE(ledger.request(alice, now + 1ms).error().again) << "told once a second";
    EXPECT_TRUE(ledger.request(bob, now)) << "another's are another's";
    EXPECT_TRUE(ledger.request(alice, now + 101ms));
    EXPECT_TRUE(ledger.request(alice, now + 102ms).error().again);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(ledger.request(alice, now + 1h)) << i;
    EXPECT_FALSE(ledger.request(alice, now + 1h).error().again);
    EXPECT_FALSE(ledger.has_request(alice, now + 1h));
    EXPECT_TRUE(ledger.has_request(alice, now + 1h + 101ms));
}

TEST(Quota, NoneIsNone) {
    TenantRule rule = small_rule();
    rule.containers.value = rule.connections.value = rule.requests.value = 0;
    Ledger ledger({rule});
    EXPECT_FALSE(ledger.hold(alice, mib));
    EXPECT_FALSE(ledger.connect(alice));
    EXPECT_FALSE(ledger.request(alice));
    EXPECT_TRUE(ledger.has_request(alice)) << "waiting is no use";
}

TEST(Quota, NewRulesCountWhatIsHeldAlready) {
    Ledger ledger({});
    auto first = ledger.hold(alice, mib);
    auto second = ledger.hold(alice, mib);
    auto third = ledger.hold(alice, mib);
    ASSERT_TRUE(first && second && third);
    ledger.replace({small_rule()});
    ASSERT_EQ(ledger.in_use().size(), 1u);
    EXPECT_EQ(ledger.in_use().begin()->first.tenant, "small");
    EXPECT_EQ(ledger.in_use().begin()->second.containers, 3u) << "nobody is thrown out";
    EXPECT_FALSE(ledger.hold(alice, mib));
    { auto ended = std::move(*first); }
    EXPECT_FALSE(ledger.hold(alice, mib));
    { auto ended = std::move(*second); }
    EXPECT_TRUE(ledger.hold(alice, mib));
}

TEST(Quota, TheCgroupDecidesToo) {
    TenantRule pods = small_rule("pods");
    pods.cgroups = {"/kubepods/*"};
    pods.containers.value = 1;
    Ledger ledger({pods});
    const Tenant in_pod{0, {}, "/kubepods/a"}, elsewhere{0, {}, "/system/a"};
    auto first = ledger.hold(in_pod, mib);
    ASSERT_TRUE(first);
    EXPECT_FALSE(ledger.hold(in_pod, mib));
    EXPECT_TRUE(ledger.hold(elsewhere, mib));
}

TEST(Quota, AWindowCountsAsBytesOfRings) {
    Ledger ledger({small_rule()});
    auto first = ledger.hold(alice, 2 * mib);
    auto second = ledger.hold(alice, mib);
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(first->add_window(mib));
    EXPECT_TRUE(first->add_window(mib)) << "another one replaces it";
    EXPECT_EQ(ledger.in_use().begin()->second.ring_bytes, 4 * mib);
    EXPECT_FALSE(second->add_window(mib));
    { auto ended = std::move(*first); }
    EXPECT_TRUE(second->add_window(mib));
    EXPECT_EQ(ledger.in_use().begin()->second.ring_bytes, 2 * mib);
}

TEST(Quota, AWindowOfBeforeIsCounted) {
    Ledger ledger({small_rule()});
    auto kept = ledger.keep(alice, 2 * mib, 1024, mib);
    EXPECT_EQ(ledger.in_use().begin()->second.ring_bytes, 3 * mib);
    EXPECT_TRUE(kept.add_window(mib)) << "the recorder asks again, for the same one";
    EXPECT_EQ(ledger.in_use().begin()->second.ring_bytes, 3 * mib);
    EXPECT_FALSE(ledger.hold(alice, 2 * mib));
    EXPECT_TRUE(ledger.hold(alice, mib));
}

}  // namespace
}  // namespace spoor::broker
