#include "shim/broker/audit.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace spoor::broker {
namespace {

using nlohmann::json;
using testing::SizeIs;
using namespace std::chrono_literals;

class AuditLog : public testing::Test {
protected:
    [[nodiscard]] std::string path(const std::string& name = "audit.jsonl") const {
        return directory_ / name;
    }
    static std::vector<json> lines_of(const std::string& file) {
        std::ifstream text(file);
        std::vector<json> lines;
        for (std::string line; std::getline(text, line);) {
            lines.push_back(json::parse(line, nullptr, false));
            EXPECT_TRUE(lines.back().is_object()) << line;
        }
        return lines;
    }
    static AuditEvent numbered(uint64_t session) {
        AuditEvent event;
        event.event = "end";
        event.session = session;
        return event;
    }

    test::TempDir directory_;
};

TEST_F(AuditLog, ALineSaysWhoWhatAndWhy) {
    spoor_counters counters{};
    counters.emitted = 5;
    counters.lost_fault = 2;
    AuditEvent event;
    event.event = "request";
    event.request = "arm";
    event.granted = false;
    event.code = "quota";
    event.limit = "containers";
    event.reason = "too many";
    event.uid = 1000;
    event.gid = 100;
    event.pid = 42;
    event.tenant = "ci";
    event.container = "c1";
    event.cgroup_id = 77;
    event.cgroup = "/a/b";
    event.counters = &counters;
    const std::string line = audit_line(event, std::chrono::system_clock::time_point(1s + 5us));
    EXPECT_EQ(
        line,
        R"({"schema":"spoor.audit/1","time":"1970-01-01T00:00:01.000005Z","event":"request","request":"arm",)"
        R"("outcome":"refused","code":"quota","limit":"containers","reason":"too many","uid":1000,"gid":100,)"
        R"("pid":42,"tenant":"ci","container":"c1","cgroupId":77,"cgroup":"/a/b","counters":{"records":5,)"
        R"("lost":{"ringFull":0,"scratch":0,"processes":0,"fault":2,"scopes":0}}})"
        "\n");
}

TEST_F(AuditLog, WhatATenantNamesStaysInItsString) {
    AuditEvent event;
    event.event = "request";
    const std::string hostile("\"}\n{\"event\":\"x\x1b[2J\x7f\xe2\x80\xae\xff\0end", 28);
    event.container = hostile;
    event.cgroup = "/\n\xc3\x28";
    const std::string line = audit_line(event, {});
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    for (char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= ' ' && c < 0x7f) << line;
    const json read = json::parse(line);
    EXPECT_EQ(read["event"], "request");
    EXPECT_TRUE(read.contains("containerBytes")) << "\\xff is no UTF-8";
    EXPECT_TRUE(read.contains("cgroupBytes"));
    event.container = "\xc3\xa4\n";
    const json valid = json::parse(audit_line(event, {}));
    EXPECT_EQ(valid["container"], "\xc3\xa4\n");
    EXPECT_FALSE(valid.contains("containerBytes"));
}

TEST_F(AuditLog, LinesComeInOrderAndTheFileIsForItsOwner) {
    {
        auto audit = Audit::open({.file = path()});
        ASSERT_TRUE(audit) << audit.error().message;
        for (uint64_t i = 1; i <= 100; ++i) (*audit)->tell(numbered(i));
    }
    const auto lines = lines_of(path());
    ASSERT_THAT(lines, SizeIs(100));
    for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i]["session"], i + 1);
    struct stat st {};
    ASSERT_EQ(::stat(path().c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777 & ~0640u, 0u);
}

TEST_F(AuditLog, RotatesBySizeAndKeepsSoMany) {
    const size_t line = audit_line(numbered(1), std::chrono::system_clock::now()).size();
    {
        auto audit = Audit::open({.file = path(), .rotate = 2 * line, .keep = 2});
        ASSERT_TRUE(audit);
        for (uint64_t i = 1; i <= 9; ++i) (*audit)->tell(numbered(i));
    }
    EXPECT_EQ(lines_of(path()).back()["session"], 9);
    const auto newer = lines_of(path("audit.jsonl.1")), older = lines_of(path("audit.jsonl.2"));
    ASSERT_THAT(newer, SizeIs(2));
    EXPECT_EQ(newer[0]["session"], 7);
    EXPECT_EQ(older[0]["session"], 5);
    EXPECT_NE(::access(path("audit.jsonl.3").c_str(), F_OK), 0);
}

TEST_F(AuditLog, ReopensByNameWhenItIsTold) {
    {
        auto audit = Audit::open({.file = path()});
        ASSERT_TRUE(audit);
        (*audit)->tell(numbered(1));
        while (lines_of(path()).empty()) std::this_thread::yield();
        ASSERT_EQ(::rename(path().c_str(), path("moved").c_str()), 0);
        (*audit)->reopen();
        (*audit)->tell(numbered(2));
    }
    EXPECT_THAT(lines_of(path("moved")), SizeIs(1));
    ASSERT_THAT(lines_of(path()), SizeIs(1));
    EXPECT_EQ(lines_of(path())[0]["session"], 2);
}

TEST_F(AuditLog, AFullDiskCostsLinesAndNothingElse) {
    auto audit = Audit::open({.file = "/dev/full"});
    ASSERT_TRUE(audit) << audit.error().message;
    for (uint64_t i = 1; i <= 10; ++i) (*audit)->tell(numbered(i));
    while ((*audit)->lost() < 10) std::this_thread::yield();
    EXPECT_EQ((*audit)->lost(), 10u);
}

TEST_F(AuditLog, AStalledReaderIsNotWaitedForAndIsToldWhatItMissed) {
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    auto audit = Audit::open({.file = path(), .queue_bytes_max = 20000});
    ASSERT_TRUE(audit) << audit.error().message;
    uint64_t told = 0;
    while ((*audit)->lost() == 0) (*audit)->tell(numbered(++told));  // the pipe's 64 KiB, then the queue's
    for (int i = 0; i < 10; ++i) (*audit)->tell(numbered(++told));
    UniqueFd reader(::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(reader);
    std::string text;
    uint64_t missed = 0, last = 0;
    while (missed == 0) {
        pollfd item{reader.get(), POLLIN, 0};
        ASSERT_EQ(::poll(&item, 1, 10000), 1) << text.size();
        char buffer[4096];
        const ssize_t got = ::read(reader.get(), buffer, sizeof buffer);
        if (got > 0) text.append(buffer, static_cast<size_t>(got));
        for (size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
            const json line = json::parse(text.substr(0, end));
            if (line["event"] == "lost") {
                missed = line["count"];
                // The writer that came to this line tells of all that were lost before it.
                EXPECT_EQ(missed, (*audit)->lost());
            } else {
                EXPECT_EQ(line["session"], last + 1);
                last = line["session"];
            }
        }
    }
    EXPECT_GE(missed, 1u);
}

TEST_F(AuditLog, TheEndWaitsForNoStalledReader) {
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    const auto before = std::chrono::steady_clock::now();
    {
        auto audit = Audit::open({.file = path()});
        ASSERT_TRUE(audit);
        for (uint64_t i = 1; i <= 2000; ++i) (*audit)->tell(numbered(i));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
}

TEST_F(AuditLog, ALinkIsRefused) {
    ASSERT_EQ(::symlink("/etc/passwd", path().c_str()), 0);
    auto audit = Audit::open({.file = path()});
    ASSERT_FALSE(audit);
    EXPECT_EQ(audit.error().code, ELOOP);
}

}  // namespace
}  // namespace spoor::broker
