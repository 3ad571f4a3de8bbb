#include "shim/broker/audit.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/unique_fd.h"
#include "shim/broker/journal.h"
#include "tests/support/temp_dir.h"

namespace spoor::broker {
namespace {

// A journal's end of its socket: datagrams, or what the memfd that came instead holds.
class FakeJournal {
public:
    explicit FakeJournal(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    // The next entry that has a field.
    std::map<std::string, std::string> next() {
        std::string bytes = receive();
        while (bytes == "\n") bytes = receive();
        std::map<std::string, std::string> fields;
        for (size_t at = 0; at < bytes.size();) {
            const size_t end = bytes.find_first_of("=\n", at);
            const std::string name = bytes.substr(at, end - at);
            uint64_t size = bytes.find('\n', end) - end - 1;
            size_t value = end + 1;
            if (bytes[end] == '\n') {
                std::memcpy(&size, bytes.data() + value, sizeof size);
                value += sizeof size;
            }
            fields[name] = bytes.substr(value, size);
            EXPECT_EQ(bytes.at(value + size), '\n');
            at = value + size + 1;
        }
        return fields;
    }
    [[nodiscard]] int fd() const { return socket_.get(); }

private:
    std::string receive() {
        std::string bytes(1 << 20, '\0');
        iovec part{bytes.data(), bytes.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        const ssize_t size = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
        EXPECT_GE(size, 0);
        bytes.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
        const cmsghdr* rights = CMSG_FIRSTHDR(&header);
        if (rights == nullptr) return bytes;
        int raw = -1;
        std::memcpy(&raw, CMSG_DATA(rights), sizeof raw);
        const UniqueFd file(raw);
        constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
        EXPECT_EQ(::fcntl(raw, F_GET_SEALS), sealed) << "journald takes no other";
        bytes.resize(4 << 20);
        const ssize_t read = ::pread(raw, bytes.data(), bytes.size(), 0);
        EXPECT_GE(read, 0);
        bytes.resize(static_cast<size_t>(std::max<ssize_t>(read, 0)));
        return bytes;
    }

    UniqueFd socket_;
};

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
    // Until the file ends with that line: the destructor gives the writer a second, which may be too little.
    [[nodiscard]] bool comes(uint64_t session) const {
        const std::string end = "\"session\":" + std::to_string(session) + "}\n";
        const auto give_up = std::chrono::steady_clock::now() + 2min;
        while (!directory_.read("audit.jsonl").ends_with(end)) {
            if (std::chrono::steady_clock::now() > give_up) return false;
            std::this_thread::sleep_for(1ms);
        }
        return true;
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
        R"("pid":42,"tenant":"ci","container":"c1","cgroupId":77,"cgroup":"/a/b","counters":{"records":5,"refused":0,)"
        R"("lost":{"ringFull":0,"scratch":0,"processes":0,"fault":2,"scopes":0}}})"
        "\n");
}

TEST_F(AuditLog, WhatATenantNamesStaysInItsString) {
    AuditEvent event;
    event.event = "request";
    const std::string hostile("\"}\n{\"event\":\"x\x1b[2J\x7f\xe2\x80\xae\xff\0end", 27);
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
        ASSERT_TRUE(comes(100));
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
        ASSERT_TRUE(comes(9));
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
        ASSERT_TRUE(comes(1));
        ASSERT_EQ(::rename(path().c_str(), path("moved").c_str()), 0);
        (*audit)->reopen();
        (*audit)->tell(numbered(2));
        ASSERT_TRUE(comes(2));
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
    // The pipe's 64 KiB, then the queue's; or the queue's first, if the writer is slow.
    while ((*audit)->lost() == 0) (*audit)->tell(numbered(++told));
    for (int i = 0; i < 10; ++i) (*audit)->tell(numbered(++told));
    UniqueFd reader(::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(reader);
    const uint64_t lost = (*audit)->lost();
    std::string text;
    uint64_t missed = 0, last = 0;
    while (missed < lost) {
        pollfd item{reader.get(), POLLIN, 0};
        ASSERT_EQ(::poll(&item, 1, 120'000), 1) << text.size() << ", " << missed << " of " << lost;
        char buffer[4096];
        const ssize_t got = ::read(reader.get(), buffer, sizeof buffer);
        if (got > 0) text.append(buffer, static_cast<size_t>(got));
        for (size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
            const json line = json::parse(text.substr(0, end));
            if (line["event"] == "lost") {
                missed += line["count"].get<uint64_t>();
            } else {
                EXPECT_GT(line["session"], last);
                last = line["session"];
            }
        }
    }
    EXPECT_EQ(missed, (*audit)->lost()) << "and nothing was lost while somebody read";
}

TEST_F(AuditLog, TheEndWaitsForNoStalledReader) {
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    const auto before = std::chrono::steady_clock::now();
    {
        auto audit = Audit::open({.file = path()});
        ASSERT_TRUE(audit);
        for (uint64_t i = 1; i <= 2000; ++i) (*audit)->tell(numbered(i));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - before, 1min);
}

TEST_F(AuditLog, ALinkIsRefused) {
    ASSERT_EQ(::symlink("/etc/passwd", path().c_str()), 0);
    auto audit = Audit::open({.file = path()});
    ASSERT_FALSE(audit);
    EXPECT_EQ(audit.error().code, ELOOP);
}

TEST_F(AuditLog, TheJournalGetsFields) {
    FakeJournal journal(path("journal"));
    auto audit = Audit::open({.file = "journal:" + path("journal")});
    ASSERT_TRUE(audit) << audit.error().message;
    AuditEvent event;
    event.event = "request";
    event.request = "arm";
    event.granted = false;
    event.code = "quota";
    event.uid = 1000;
    event.tenant = "ci";
    event.container = "a\nMESSAGE=forged\xff";
    event.cgroup_id = 77;
    (*audit)->tell(event);
    auto fields = journal.next();
    EXPECT_EQ(json::parse(fields["MESSAGE"])["tenant"], "ci");
    EXPECT_EQ(fields["PRIORITY"], "4");
    EXPECT_EQ(fields["SYSLOG_IDENTIFIER"], "spoord-audit");
    EXPECT_EQ(fields["SPOOR_OUTCOME"], "refused");
    EXPECT_EQ(fields["SPOOR_UID"], "1000");
    EXPECT_EQ(fields["SPOOR_CGROUP_ID"], "77");
    EXPECT_EQ(fields["SPOOR_CONTAINER"], "a\nMESSAGE=forged\xef\xbf\xbd") << "a tenant's bytes make no field";
    event.granted = true;
    event.code = nullptr;
    (*audit)->tell(event);
    fields = journal.next();
    EXPECT_EQ(fields["PRIORITY"], "5");
    EXPECT_FALSE(fields.contains("SPOOR_CODE"));
}

TEST_F(AuditLog, WhatADatagramCannotHoldComesInASealedFile) {
    FakeJournal journal(path("journal"));
    auto opened = Journal::open(path("journal"));
    ASSERT_TRUE(opened) << opened.error().message;
    const std::string long_reason(600'000, 'x');
    ASSERT_TRUE(opened->send(journal_entry(json{{"event", "stop"}, {"reason", long_reason}}.dump())));
    EXPECT_EQ(journal.next()["SPOOR_REASON"], long_reason);
}

TEST_F(AuditLog, AJournalThatDoesNotReadIsWaitedForByTheWriterAlone) {
    FakeJournal journal(path("journal"));
    auto audit = Audit::open({.file = "journal:" + path("journal"), .queue_bytes_max = 1 << 16});
    ASSERT_TRUE(audit) << audit.error().message;
    uint64_t told = 0;
    for (; (*audit)->lost() == 0; ++told) (*audit)->tell(numbered(told));
    // What waited comes as soon as there is room, in order, and then how much is missing.
    uint64_t expected = 0;
    std::map<std::string, std::string> fields;
    for (fields = journal.next(); fields["SPOOR_EVENT"] == "end"; fields = journal.next())
        EXPECT_EQ(fields["SPOOR_SESSION"], std::to_string(expected++));
    EXPECT_EQ(fields["SPOOR_EVENT"], "lost");
    EXPECT_EQ(fields["SPOOR_COUNT"], std::to_string((*audit)->lost()));
}

TEST_F(AuditLog, WithoutAJournalThereIsNoStart) {
    auto audit = Audit::open({.file = "journal:" + path("none")});
    ASSERT_FALSE(audit);
    EXPECT_NE(audit.error().message.find(path("none")), std::string::npos) << audit.error().message;
}

}  // namespace
}  // namespace spoor::broker
