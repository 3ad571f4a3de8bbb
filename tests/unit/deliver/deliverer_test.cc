// Which item is tried when, with a server and a clock that are the test's.
#include "shim/deliver/deliverer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <set>

#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
namespace fs = std::filesystem;

class FakeHttp : public Http {
public:
    Result<HttpAnswer> send(const HttpRequest& request) override {
        std::string key;
        for (const auto& [name, value] : request.headers)
            if (name == "Idempotency-Key") key = value;
        sent.push_back(key);
        urls.push_back(request.url);
        if (refuses.contains(key)) return HttpAnswer{500, {}, "", ""};
        if (answers.empty()) return HttpAnswer{200, {}, "", ""};
        auto answer = answers.front();
        answers.pop_front();
        return answer;
    }

    std::vector<std::string> sent, urls;
    std::deque<Result<HttpAnswer>> answers;
    std::set<std::string> refuses;  // keys that are answered with 500
};

HttpAnswer answered(int status, std::optional<uint64_t> retry_after_ms = {}) {
    return {status, retry_after_ms, "", ""};
}

class DelivererTest : public testing::Test {
protected:
    DelivererTest() {
        spool_.emplace(*Spool::open(root_ / "spool"));
        settings_.endpoint = "https://a.example/?secret";
        settings_.retry_min_ms = 100;
        settings_.retry_max_ms = 10'000;
        EXPECT_TRUE(spool_->set_settings(settings_));
        deliverer_.emplace(
            *spool_, http_, Log(), [this] { return now_; }, [] { return 1.0; });
    }

    void put(const std::string& key, DeliveryKind kind = DeliveryKind::report, const std::string& url = "") {
        SpoolItem item;
        item.kind = kind;
        item.key = key;
        item.task_id = key;
        item.url = url;
        ASSERT_TRUE(spool_->put(item, "{}", {}));
    }
    // Time goes on to when the next is due.
    bool pass() {
        auto due = deliverer_->pass();
        EXPECT_TRUE(due);
        if (!*due) return false;
        now_ = std::max(now_, **due);
        return true;
    }
    std::vector<std::string> sent() { return std::exchange(http_.sent, {}); }
    std::string given_up() {
        std::string all;
        for (const auto& failure : spool_->failures()) all += failure.task_id + ": " + failure.reason + "\n";
        return all;
    }

    test::TempDir root_;
    DeliverySettings settings_;
    std::optional<Spool> spool_;
    FakeHttp http_;
    uint64_t now_ = 1'000'000;
    std::optional<Deliverer> deliverer_;
};

TEST_F(DelivererTest, DeliversInOrder) {
    put("1");
    put("2");
    put("3");
    EXPECT_FALSE(pass());
    EXPECT_THAT(sent(), ElementsAre("1", "2", "3"));
    EXPECT_EQ(spool_->status().delivered, 3u);
}

TEST_F(DelivererTest, ADeadServerIsAskedOnceAPause) {
    for (const char* key : {"1", "2", "3"}) put(key);
    for (int i = 0; i < 3; ++i) http_.answers.push_back(Error{EIO, "refused"});
    EXPECT_TRUE(pass());
    EXPECT_THAT(sent(), ElementsAre("1"));
    EXPECT_EQ(now_, 1'000'100u);
    EXPECT_TRUE(pass());  // the next item, and the server's pause doubles
    EXPECT_THAT(sent(), testing::SizeIs(1));
    EXPECT_EQ(now_, 1'000'300u);
    EXPECT_TRUE(pass());
    EXPECT_EQ(now_, 1'000'700u);
    sent();
    EXPECT_FALSE(pass());
    EXPECT_THAT(sent(), testing::UnorderedElementsAre("1", "2", "3"));
    EXPECT_THAT(spool_->status().error, HasSubstr("https://a.example: refused"));
    EXPECT_THAT(spool_->status().error, Not(HasSubstr("secret")));
}

TEST_F(DelivererTest, AnItemThatAServerChokesOnDoesNotHoldUpOthers) {
    http_.refuses = {"poison"};
    put("poison");
    for (int i = 0; i < 5; ++i) put("good" + std::to_string(i));
    for (int i = 0; i < 3; ++i) pass();
    auto keys = sent();
    EXPECT_EQ(
        std::count_if(keys.begin(), keys.end(), [](const auto& key) { return key.starts_with("good"); }), 5);
    EXPECT_EQ(spool_->queue()->size(), 1u);
}

TEST_F(DelivererTest, DestinationsDoNotWaitForEachOther) {
    settings_.put_hosts = {"b.example", "c.example"};
    ASSERT_TRUE(spool_->set_settings(settings_));
    http_.refuses = {"1", "2"};
    put("1");
    put("2", DeliveryKind::raw, "https://b.example/?secret");
    put("3", DeliveryKind::raw, "https://c.example/?secret");
    EXPECT_TRUE(pass());
    EXPECT_THAT(sent(), ElementsAre("1", "2", "3"));
}

TEST_F(DelivererTest, RetryAfterIsKeptWithinReason) {
    put("1");
    http_.answers.push_back(answered(429, 5'000));
    EXPECT_TRUE(pass());
    EXPECT_EQ(now_, 1'005'000u);
    http_.answers.push_back(answered(503, 1'000'000'000));
    EXPECT_TRUE(pass());
    EXPECT_EQ(now_, 1'005'000u + 3'600'000);
    sent();
    deliverer_->start_afresh();
    now_ = 2'000'000;
    EXPECT_FALSE(pass());
    EXPECT_THAT(sent(), ElementsAre("1"));
}

TEST_F(DelivererTest, WhatIsRefusedIsGivenUpAndTold) {
    for (int status : {400, 401, 404, 413, 422, 301, 302, 304}) {
        put(std::to_string(status));
        http_.answers.push_back(answered(status));
    }
    EXPECT_FALSE(pass());
    EXPECT_THAT(given_up(), HasSubstr("413: https://a.example answered 413\n"));
    EXPECT_EQ(spool_->failures().size(), 8u);
    EXPECT_THAT(given_up(), Not(HasSubstr("secret")));
    for (int status : {408, 425, 429, 500, 501, 502, 503, 504, 599, 0, 199}) {
        put("later");
        http_.answers.assign(1, answered(status));
        EXPECT_TRUE(*deliverer_->pass(true)) << status;
        ASSERT_TRUE(spool_->remove(spool_->queue()->front().name));
    }
    EXPECT_EQ(spool_->failures().size(), 8u);
}

TEST_F(DelivererTest, ATokenStaysOnItsServer) {
    put("1");
    http_.answers.push_back(HttpAnswer{307, {}, "https://a.example/other", ""});
    http_.answers.push_back(HttpAnswer{308, {}, "https://a.example:444/", ""});
    EXPECT_FALSE(pass());
    EXPECT_THAT(http_.urls, ElementsAre("https://a.example/?secret", "https://a.example/other"));
    EXPECT_THAT(given_up(), HasSubstr("a redirect to another place"));
}

TEST_F(DelivererTest, ATenantsPlainHttpStaysOnTheMachine) {
    settings_.put_hosts = {"b.example", "localhost"};
    ASSERT_TRUE(spool_->set_settings(settings_));
    put("1", DeliveryKind::raw, "http://b.example/?secret");
    put("2", DeliveryKind::raw, "http://localhost/?secret");
    EXPECT_FALSE(pass());
    EXPECT_THAT(sent(), ElementsAre("2"));
    EXPECT_EQ(given_up(), "1: http://b.example is not https\n");
}

TEST_F(DelivererTest, WhatIsNoLongerConfiguredWaits) {
    put("1");
    put("2", DeliveryKind::raw);
    put("3", DeliveryKind::logs);
    ASSERT_TRUE(spool_->set_settings(DeliverySettings()));
    EXPECT_TRUE(pass());
    EXPECT_THAT(sent(), IsEmpty());
    EXPECT_EQ(spool_->queue()->size(), 3u);
}

TEST_F(DelivererTest, ItemsThatDisappearAreNoError) {
    put("1");
    pass();
    put("2");
    http_.answers.push_back(answered(500));
    pass();
    fs::remove_all(root_ / "spool/queue/" + spool_->queue()->front().name);
    EXPECT_FALSE(pass());
}

}  // namespace
}  // namespace spoor
