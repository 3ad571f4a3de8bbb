#include "shim/recorder/outbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/clock.h"
#include "base/files.h"
#include "tests/support/temp_dir.h"

namespace spoor {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class OutboxTest : public testing::Test {
protected:
    OutboxTest() : task_(1, "web:build", TaskMode::warn, 1 << 20, boot_time_ns()) {
        settings_.spool = directory_ / "spool";
        settings_.program = "/bin/true";
        tasks_ = std::move(*open_file(directory_.path(), O_RDONLY | O_DIRECTORY));
        std::ofstream(directory_ / "r.json") << "the report\n";
        session_.processes = 1;
    }

    void make() { outbox_ = Outbox::make(settings_, "container", "image:1"); }

    struct Put {
        SpoolItem item;
        std::string payload;
    };
    std::vector<Put> spooled() {
        std::vector<Put> all;
        auto spool = Spool::open_existing(settings_.spool);
        if (!spool) return all;
        const auto queue = *spool->queue();
        for (const auto& entry : queue) {
            auto opened = spool->take(entry.name);
            all.push_back({opened->item, *read_fd(opened->fd.get(), 1u << 20)});
        }
        return all;
    }
    // What is to be delivered, as "kind of task".
    std::vector<std::string> kinds() {
        std::vector<std::string> all;
        for (const Put& put : spooled())
            all.push_back(std::string(name_of(put.item.kind)) + " " + put.item.task_id);
        return all;
    }
    Status report() {
        return outbox_->on_task_report(task_, TaskEnd::signalled, boot_time_ns(), true, tasks_.get(),
                                       "r.json");
    }

    test::TempDir directory_;
    DeliverySettings settings_;
    Task task_;
    Session session_;
    UniqueFd tasks_;
    std::shared_ptr<Outbox> outbox_;
};

TEST_F(OutboxTest, IsNotThereUnlessSomethingIsConfigured) {
    make();
    EXPECT_EQ(outbox_, nullptr);
    settings_.endpoint = "https://a/";
    make();
    ASSERT_NE(outbox_, nullptr);
    struct stat st {};
    EXPECT_NE(::stat(settings_.spool.c_str(), &st), 0) << "made when it is needed";
}

TEST_F(OutboxTest, ReportsGoWhereTheyAreWanted) {
    settings_.endpoint = "https://a/";
    settings_.mint = "https://m/";
    make();
    ASSERT_TRUE(report());
    ASSERT_TRUE(outbox_->on_end(session_, tasks_.get(), "r.json"));
    EXPECT_THAT(kinds(), ElementsAre("report web:build", "raw web:build", "report -", "raw -"));
    const auto all = spooled();
    std::set<std::string> keys;
    for (const Put& put : all) {
        EXPECT_EQ(put.payload, "the report\n");
        EXPECT_EQ(put.item.container_id, "container");
        EXPECT_EQ(put.item.url, "");
        EXPECT_EQ(put.item.key.substr(0, 33), put.item.session + "-");
        keys.insert(put.item.key.substr(33));
    }
    EXPECT_THAT(keys, ElementsAre("1-raw", "1-report", "2-raw", "2-report"));
}

TEST_F(OutboxTest, ATasksUrlIsTakenIfItsHostIsAllowed) {
    settings_.put_hosts = {"*.store.example"};
    make();
    task_.put_url = "https://eu.store.example/k?sig=secret";
    ASSERT_TRUE(report());
    EXPECT_THAT(kinds(), ElementsAre("raw web:build"));
    EXPECT_EQ(spooled()[0].item.url, "https://eu.store.example/k?sig=secret");
    for (const char* url : {"https://evil.example/?sig=secret", "http://eu.store.example/?sig=secret",
                            "https://169.254.169.254/?sig=secret"}) {
        task_.put_url = url;
        const Status refused = report();
        ASSERT_FALSE(refused) << url;
        EXPECT_THAT(refused.error().message, HasSubstr("delivery.put.hosts"));
        EXPECT_THAT(refused.error().message, Not(HasSubstr("secret")));
    }
    EXPECT_THAT(kinds(), ElementsAre("raw web:build"));
}

TEST_F(OutboxTest, ARefusedUrlLeavesTheOperatorsOwn) {
    settings_.mint = "https://m/";
    make();
    task_.put_url = "https://evil.example/?sig=secret";
    EXPECT_FALSE(report());
    EXPECT_THAT(kinds(), ElementsAre("raw web:build"));
    EXPECT_EQ(spooled()[0].item.url, "");
}

TEST_F(OutboxTest, LogRecordsComeInBatches) {
    settings_.otlp_endpoint = "https://o/";
    make();
    EXPECT_EQ(outbox_->due_ns(), UINT64_MAX);
    const uint64_t before = boot_time_ns();
    outbox_->on_violation(task_, {boot_time_ns(), {7, 1}, Op::read, "/ws/\xff", false}, "{projectRoot}/x");
    ASSERT_TRUE(report());
    const uint64_t now = boot_time_ns();
    EXPECT_GE(outbox_->due_ns(), before + 1'000'000'000);
    EXPECT_LE(outbox_->due_ns(), now + 1'000'000'000);
    EXPECT_THAT(kinds(), IsEmpty());
    ASSERT_TRUE(outbox_->tick(outbox_->due_ns()));
    EXPECT_EQ(outbox_->due_ns(), UINT64_MAX);
    session_.reasons = {"one", "two"};
    ASSERT_TRUE(outbox_->on_end(session_, -1, ""));
    EXPECT_THAT(kinds(), ElementsAre("logs ", "logs "));

    std::vector<json> records;
    std::set<std::string> uids;
    for (const Put& put : spooled()) {
        const json request = json::parse(put.payload);
        const json& of = request["resourceLogs"][0];
        EXPECT_THAT(of["resource"].dump(),
                    HasSubstr(R"({"key":"container.id","value":{"stringValue":"container"}})"));
        for (const json& record : of["scopeLogs"][0]["logRecords"]) records.push_back(record);
    }
    ASSERT_EQ(records.size(), 3u);
    const char* events[] = {"spoor.violation", "spoor.task.end", "spoor.session.end"};
    const int severities[] = {13, 9, 13};
    for (size_t i = 0; i < records.size(); ++i) {
        EXPECT_EQ(records[i]["eventName"], events[i]);
        EXPECT_EQ(records[i]["severityNumber"], severities[i]);
        // Nanoseconds since 1970, as text: 19 digits from 2001 to 2286.
        EXPECT_EQ(records[i]["timeUnixNano"].get<std::string>().size(), 19u);
        std::map<std::string, json> attributes;
        for (const json& attribute : records[i]["attributes"])
            attributes[attribute["key"]] = attribute["value"];
        uids.insert(attributes["log.record.uid"]["stringValue"]);
        if (i == 0) {
            EXPECT_EQ(attributes["file.path"]["stringValue"], "/ws/\xef\xbf\xbd");
            EXPECT_EQ(attributes["process.pid"]["intValue"], "7");
            EXPECT_EQ(attributes["spoor.suggestion"]["stringValue"], "{projectRoot}/x");
        }
        if (i == 1) {
            EXPECT_EQ(attributes["spoor.complete"]["boolValue"], true);
        }
        if (i == 2) {
            EXPECT_EQ(attributes["spoor.reasons"]["arrayValue"]["values"][1]["stringValue"], "two");
        }
    }
    EXPECT_EQ(uids.size(), 3u);
}

TEST_F(OutboxTest, AFullBatchIsDueAtOnce) {
    settings_.otlp_endpoint = "https://o/";
    make();
    for (int i = 0; i < 512; ++i) outbox_->on_violation(task_, {1, {7, 1}, Op::read, "/x", false}, "x");
    EXPECT_LE(outbox_->due_ns(), boot_time_ns());
}

TEST_F(OutboxTest, AContainerThatNeverRanIsNotTold) {
    settings_.endpoint = "https://a/";
    settings_.otlp_endpoint = "https://o/";
    make();
    session_.processes = 0;
    session_.state = SessionState::finished;
    ASSERT_TRUE(outbox_->on_end(session_, tasks_.get(), "r.json"));
    EXPECT_THAT(kinds(), IsEmpty());
    // If something was lost nobody knows that it never ran.
    session_.loss.scratch = 1;
    ASSERT_TRUE(outbox_->on_end(session_, tasks_.get(), "r.json"));
    EXPECT_THAT(kinds(), ElementsAre("report -", "logs "));
}

TEST_F(OutboxTest, AnUntracedContainerIsTold) {
    Session session;
    session.container_id = "untraced";
    EXPECT_TRUE(Outbox::tell_untraced(settings_, session, "no broker"));
    settings_.endpoint = "https://a/";
    EXPECT_TRUE(Outbox::tell_untraced(settings_, session, "no broker"));
    EXPECT_THAT(kinds(), IsEmpty());
    settings_.otlp_endpoint = "https://o/";
    EXPECT_TRUE(Outbox::tell_untraced(settings_, session, "no broker"));
    ASSERT_THAT(kinds(), ElementsAre("logs "));
    for (const char* text : {"untraced", "no broker", "spoor.session.end"})
        EXPECT_THAT(spooled()[0].payload, HasSubstr(text));
}

TEST_F(OutboxTest, WhatCannotBeSpooledIsAnError) {
    settings_.endpoint = "https://a/";
    ASSERT_EQ(::mkdir(settings_.spool.c_str(), 0755), 0);
    make();
    EXPECT_THAT(report().error().message, HasSubstr("0700"));
    ASSERT_EQ(::chmod(settings_.spool.c_str(), 0700), 0);
    settings_.spool_bytes_max = 10;
    make();
    EXPECT_THAT(report().error().message, HasSubstr("delivery.spool_max"));
}

TEST_F(OutboxTest, ADelivererIsStartedUnlessOneIsAtWork) {
    settings_.endpoint = "https://a/";
    settings_.program = "/nonexistent/spoor-deliver";
    make();
    EXPECT_THAT(report().error().message, HasSubstr("/nonexistent/spoor-deliver"));
    EXPECT_EQ(kinds().size(), 1u) << "it waits all the same";
    auto spool = *Spool::open(settings_.spool);
    const auto lock = spool.lock();
    ASSERT_TRUE(lock);
    EXPECT_TRUE(report());
    EXPECT_EQ(*spool.settings(), settings_);
}

}  // namespace
}  // namespace spoor
