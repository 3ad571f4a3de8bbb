#include "shim/recorder/decode.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <random>
#include <variant>

#include "tests/unit/recorder/fake_ring.h"

namespace spoor {
namespace {

using test::head_of;
using test::make_record;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using namespace std::string_literals;

struct Collected : EventSink {
    void on(const ForkEvent& event, uint64_t time_ns) override { add(forks, event, time_ns); }
    void on(const ExecEvent& event, uint64_t time_ns) override { add(execs, event, time_ns); }
    void on(const ExitEvent& event, uint64_t time_ns) override { add(exits, event, time_ns); }
    void on(const AccessEvent& event, uint64_t time_ns) override { add(accesses, event, time_ns); }
    void on_end(uint64_t) override { ++ends; }

    template <class T>
    void add(std::vector<T>& to, const T& event, uint64_t time_ns) {
        to.push_back(event);
        last_time = time_ns;
    }

    std::vector<ForkEvent> forks;
    std::vector<ExecEvent> execs;
    std::vector<ExitEvent> exits;
    std::vector<AccessEvent> accesses;
    int ends = 0;
    uint64_t last_time = 0;
};

struct DecodeTest : ::testing::Test {
    void feed(const std::string& bytes) { decoder.decode(std::as_bytes(std::span(bytes))); }

    Collected got;
    Decoder decoder{got};
};

TEST(JoinPath, Joins) {
    EXPECT_EQ(join_path("/a/b", ""), "/a/b");
    EXPECT_EQ(join_path("/a/b", "c"), "/a/b/c");
    EXPECT_EQ(join_path("/a/b", "/c"), "/c");
    EXPECT_EQ(join_path("/", "c"), "/c");
    EXPECT_EQ(join_path("/", ""), "/");
    EXPECT_EQ(join_path("", "/c/d"), "/c/d");
    EXPECT_EQ(join_path("/", "/c"), "/c");
    EXPECT_EQ(join_path("", "/"), "/");
    EXPECT_EQ(join_path("", ""), "");
}

TEST(JoinPath, DropsEmptyAndDotComponents) {
    EXPECT_EQ(join_path("/a", "./b"), "/a/b");
    EXPECT_EQ(join_path("/a", "b//c/./d/"), "/a/b/c/d");
    EXPECT_EQ(join_path("/a", "."), "/a");
    EXPECT_EQ(join_path("/", "."), "/");
    EXPECT_EQ(join_path("", "//x/./"), "/x");
    EXPECT_EQ(join_path("/a", ".hidden/..."), "/a/.hidden/...");
}

TEST(JoinPath, NeverFoldsDotDot) {
    EXPECT_EQ(join_path("/a/link", "../b"), "/a/link/../b");
    EXPECT_EQ(join_path("", "/../x"), "/../x");
    EXPECT_EQ(join_path("/a", "b/../../c/.."), "/a/b/../../c/..");
}

TEST(JoinPath, KeepsBytes) {
    EXPECT_EQ(join_path("/a\n", "\xff\xfe \"'"), "/a\n/\xff\xfe \"'");
    EXPECT_EQ(join_path("/x (deleted)", ""), "/x (deleted)");
    std::string component(255, 'n');
    EXPECT_EQ(join_path("/" + component, component), "/" + component + "/" + component);
}

std::string raw(const void* address, size_t size) { return {static_cast<const char*>(address), size}; }

TEST(Sockaddr, Inet) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(80);
    ::inet_pton(AF_INET, "1.2.3.4", &address.sin_addr);
    EXPECT_EQ(describe_sockaddr("", raw(&address, sizeof address)), "inet:1.2.3.4:80");
    EXPECT_EQ(describe_sockaddr("", raw(&address, 7)), "");
}

TEST(Sockaddr, Inet6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(65535);
    address.sin6_addr = in6addr_loopback;
    EXPECT_EQ(describe_sockaddr("", raw(&address, sizeof address)), "inet:[::1]:65535");
    EXPECT_EQ(describe_sockaddr("", raw(&address, 24)), "inet:[::1]:65535");
    EXPECT_EQ(describe_sockaddr("", raw(&address, 23)), "");
}

TEST(Sockaddr, Unix) {
    auto of = [](const std::string& path) {
        sa_family_t family = AF_UNIX;
        return raw(&family, sizeof family) + path;
    };
    EXPECT_EQ(describe_sockaddr("", of("/run/x.sock\0\0\0"s)), "unix:/run/x.sock");
    EXPECT_EQ(describe_sockaddr("/work", of("x.sock")), "unix:/work/x.sock");
    EXPECT_EQ(describe_sockaddr("", of("\0abstract"s)), "unix:@abstract");
    EXPECT_EQ(describe_sockaddr("", of("\0a\0b"s)), "unix:@a@b");
    EXPECT_EQ(describe_sockaddr("", of("")), "unix:");
}

TEST(Sockaddr, Others) {
    sa_family_t family = AF_NETLINK;
    EXPECT_EQ(describe_sockaddr("", raw(&family, sizeof family)), "family:16");
    EXPECT_EQ(describe_sockaddr("", "\1"), "");
    EXPECT_EQ(describe_sockaddr("", ""), "");
}

TEST_F(DecodeTest, Fork) {
    auto head = head_of(SPOOR_EV_FORK);
    head.value = 3;
    head.aux_ns = 400;
    feed(make_record(head));
    ASSERT_THAT(got.forks, SizeIs(1));
    EXPECT_EQ(got.forks[0].child, (ProcessKey{7, 500}));
    EXPECT_EQ(got.forks[0].parent, (ProcessKey{3, 400}));
    EXPECT_EQ(got.last_time, 1000u);
}

TEST_F(DecodeTest, ExitAndEnd) {
    auto head = head_of(SPOOR_EV_EXIT);
    head.value = 0x8b;
    feed(make_record(head));
    feed(make_record(head_of(SPOOR_EV_END)));
    ASSERT_THAT(got.exits, SizeIs(1));
    EXPECT_EQ(got.exits[0].process, (ProcessKey{7, 500}));
    EXPECT_EQ(got.exits[0].wait_status, 0x8b);
    EXPECT_EQ(got.ends, 1);
    EXPECT_EQ(decoder.anomalies().total(), 0u);
}

TEST_F(DecodeTest, Access) {
    auto head = head_of(SPOOR_EV_ACCESS, SPOOR_OP_ABSENT);
    head.value = 2;
    head.flags = SPOOR_F_LEXICAL | SPOOR_F_NOFOLLOW;
    feed(make_record(head, "/ws", "./no/../such"));
    ASSERT_THAT(got.accesses, SizeIs(1));
    const AccessEvent& access = got.accesses[0];
    EXPECT_EQ(access.process, (ProcessKey{7, 500}));
    EXPECT_EQ(access.op, Op::absent);
    EXPECT_EQ(access.flags, flag_lexical | flag_nofollow);
    EXPECT_EQ(access.error, 2);
    EXPECT_EQ(access.path, "/ws/no/../such");
    EXPECT_EQ(access.to, "");
}

TEST_F(DecodeTest, EveryOperationKeepsItsNumber) {
    for (uint8_t op = SPOOR_OP_READ; op <= SPOOR_OP_LAST; ++op)
        feed(make_record(head_of(SPOOR_EV_ACCESS, op), "/x"));
    ASSERT_THAT(got.accesses, SizeIs(SPOOR_OP_LAST));
    for (size_t i = 0; i < got.accesses.size(); ++i)
        EXPECT_EQ(static_cast<size_t>(got.accesses[i].op), i + 1);
    EXPECT_EQ(Op::bind, static_cast<Op>(SPOOR_OP_BIND));
    EXPECT_EQ(decoder.anomalies().incomplete, 3u) << "rename, link and symlink without a second path";
}

TEST_F(DecodeTest, RenameJoinsItsSecondPath) {
    auto to = head_of(SPOOR_EV_AUX, SPOOR_AUX_TO);
    to.flags = SPOOR_F_LEXICAL;
    feed(make_record(to, "/b", "new"));
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_RENAME), "/a", "old"));
    ASSERT_THAT(got.accesses, SizeIs(1));
    EXPECT_EQ(got.accesses[0].path, "/a/old");
    EXPECT_EQ(got.accesses[0].to, "/b/new");
    EXPECT_EQ(got.accesses[0].flags, flag_lexical);
    EXPECT_EQ(decoder.anomalies().total(), 0u);
}

TEST_F(DecodeTest, SymlinkTargetStaysText) {
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_TO), "", ".././x//"));
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_SYMLINK), "/a", "link"));
    ASSERT_THAT(got.accesses, SizeIs(1));
    EXPECT_EQ(got.accesses[0].to, ".././x//");
}

TEST_F(DecodeTest, PartsFindTheirEventAmongOthers) {
    auto part_1 = head_of(SPOOR_EV_AUX, SPOOR_AUX_TO), part_2 = part_1;
    part_2.host_tid = 99;
    feed(make_record(part_1, "/first"));
    feed(make_record(part_2, "/second"));
    // Another event of the same thread, at another time.
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_READ, 1001), "/between"));
    auto event_2 = head_of(SPOOR_EV_ACCESS, SPOOR_OP_LINK), event_1 = event_2;
    event_2.host_tid = 99;
    feed(make_record(event_2, "/x"));
    feed(make_record(event_1, "/y"));
    ASSERT_THAT(got.accesses, SizeIs(3));
    EXPECT_EQ(got.accesses[0].to, "");
    EXPECT_EQ(got.accesses[1].to, "/second");
    EXPECT_EQ(got.accesses[2].to, "/first");
    EXPECT_EQ(decoder.anomalies().total(), 0u);
}

TEST_F(DecodeTest, ExecWithAllParts) {
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_CWD), "/ws"));
    auto argv = head_of(SPOOR_EV_AUX, SPOOR_AUX_ARGV);
    argv.flags = SPOOR_F_TRUNCATED;
    feed(make_record(argv, "", "sh\0-c\0\0cut"s));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_SCRIPT), "/ws", "./run.sh"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_LOADER), "/lib64/ld.so"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ENV), "", "A=1"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ENV), "", "B=2"));
    auto head = head_of(SPOOR_EV_EXEC);
    head.value = 1;
    feed(make_record(head, "/bin/dash"));
    ASSERT_THAT(got.execs, SizeIs(1));
    const ExecEvent& exec = got.execs[0];
    EXPECT_EQ(exec.process, (ProcessKey{7, 500}));
    EXPECT_EQ(exec.parent_pid, 1u);
    EXPECT_EQ(exec.exe, "/bin/dash");
    EXPECT_EQ(exec.cwd, "/ws");
    EXPECT_THAT(exec.argv, ElementsAre("sh", "-c", "", "cut"));
    EXPECT_TRUE(exec.argv_truncated);
    EXPECT_EQ(exec.script, "/ws/run.sh");
    EXPECT_EQ(exec.loader, "/lib64/ld.so");
    EXPECT_THAT(exec.environment, ElementsAre("A=1", "B=2"));
    EXPECT_EQ(decoder.anomalies().total(), 0u);
}

// argv as fs/binfmt_script.c makes it: the interpreter, the line's argument, the script, level by level.
TEST_F(DecodeTest, ScriptsInTheMiddleOfAChain) {
    auto chain = [this](const std::string& argv) {
        feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ARGV), "", argv));
        feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_SCRIPT), "/ws", "./a"));
        feed(make_record(head_of(SPOOR_EV_EXEC), "/bin/prog"));
        return got.execs.back().interpreters;
    };
    EXPECT_THAT(chain("/bin/prog\0./a\0/x\0"s), testing::IsEmpty());
    EXPECT_THAT(chain("/bin/prog\0-e\0./a\0"s), testing::IsEmpty());
    EXPECT_THAT(chain("/bin/prog\0/s/b\0./a\0"s), ElementsAre("/s/b"));
    EXPECT_THAT(chain("/bin/prog\0-e\0/s/c\0-x\0//s/./b\0./a\0/y\0"s), ElementsAre("/s/b", "/s/c"));
    // The script's own name does not come: nothing is known of what stands there.
    EXPECT_THAT(chain("/bin/prog\0/s/b\0/s/c\0"s), testing::IsEmpty());
    EXPECT_THAT(chain(""), testing::IsEmpty());
}

TEST_F(DecodeTest, ProcessesCarryTheHostsNumber) {
    auto fork = head_of(SPOOR_EV_FORK);
    fork.host_pid = 4711;
    feed(make_record(fork));
    auto exec = head_of(SPOOR_EV_EXEC);
    exec.host_pid = 4712;
    exec.flags = SPOOR_F_MEMORY;
    feed(make_record(exec, "/memfd:x"));
    EXPECT_EQ(got.forks.at(0).host_pid, 4711u);
    EXPECT_EQ(got.execs.at(0).host_pid, 4712u);
    EXPECT_EQ(got.execs.at(0).exe_flags, flag_memory);
}

TEST_F(DecodeTest, PartsOfTheWrongKindAreOrphans) {
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_CWD), "/ws"));
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_READ), "/x"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_TO), "/ws"));
    feed(make_record(head_of(SPOOR_EV_EXEC), "/x"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_TO), "/ws"));
    feed(make_record(head_of(SPOOR_EV_EXIT)));
    EXPECT_EQ(decoder.anomalies().orphans, 3u);
    EXPECT_EQ(got.accesses[0].to, "");
}

TEST_F(DecodeTest, LeftoverPartsAreCountedAtTheEnd) {
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_CWD), "/ws"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ARGV), "", "x"));
    EXPECT_EQ(decoder.anomalies().total(), 0u);
    decoder.finish();
    EXPECT_EQ(decoder.anomalies().orphans, 2u);
    decoder.finish();
    EXPECT_EQ(decoder.anomalies().orphans, 2u);
}

TEST_F(DecodeTest, PendingPartsAreBounded) {
    const std::string large(SPOOR_BASE_MAX, 'x');
    constexpr uint64_t count = 100'000;
    for (uint64_t i = 0; i < count; ++i) feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_CWD, i), large));
    EXPECT_GT(decoder.anomalies().orphans, count - 1024);
    // The newest are still there.
    feed(make_record(head_of(SPOOR_EV_EXEC, 0, count - 1), "/x"));
    ASSERT_THAT(got.execs, SizeIs(1));
    EXPECT_THAT(got.execs[0].cwd, SizeIs(SPOOR_BASE_MAX));
    decoder.finish();
    EXPECT_EQ(decoder.anomalies().orphans, count - 1);
}

TEST_F(DecodeTest, ManyPartsOfOneEventAreBounded) {
    for (int i = 0; i < 1000; ++i) feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ENV), "", "A=1"));
    feed(make_record(head_of(SPOOR_EV_EXEC), "/x"));
    EXPECT_LE(got.execs[0].environment.size(), 64u);
    EXPECT_EQ(decoder.anomalies().malformed, 1000 - got.execs[0].environment.size());
}

TEST_F(DecodeTest, SizesThatContradictEachOtherAreMalformed) {
    const std::string good = make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_READ), "/base", "name");
    feed("");
    feed(good.substr(0, sizeof(spoor_event) - 1));
    feed(good.substr(0, good.size() - 1));
    std::string wrong_size = good, wrong_base = good, wrong_name = good;
    wrong_size[0] = static_cast<char>(wrong_size[0] - 1);
    wrong_base[offsetof(spoor_event, base_len)] = 100;
    wrong_name[offsetof(spoor_event, name_len)] = 0;
    feed(wrong_size);
    feed(wrong_base);
    feed(wrong_name);
    EXPECT_EQ(decoder.anomalies().malformed, 6u);
    EXPECT_THAT(got.accesses, SizeIs(0));
    // The ring's own padding is no contradiction.
    feed(good + "padding");
    EXPECT_THAT(got.accesses, SizeIs(1));
    EXPECT_EQ(decoder.anomalies().malformed, 6u);
}

TEST_F(DecodeTest, UnknownTypesAndOperations) {
    feed(make_record(head_of(0)));
    feed(make_record(head_of(200)));
    feed(make_record(head_of(SPOOR_EV_ACCESS, 0), "/x"));
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_LAST + 1), "/x"));
    feed(make_record(head_of(SPOOR_EV_AUX, 0), "/x"));
    feed(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_ENV + 1), "/x"));
    EXPECT_EQ(decoder.anomalies().unknown, 6u);
    EXPECT_THAT(got.accesses, SizeIs(0));
}

TEST_F(DecodeTest, PathsThatAreNone) {
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_READ)));
    feed(make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_READ), "/a\0b"s));
    auto connect = head_of(SPOOR_EV_ACCESS, SPOOR_OP_CONNECT);
    connect.flags = SPOOR_F_SOCKADDR;
    feed(make_record(connect, "", "x"));
    EXPECT_EQ(decoder.anomalies().malformed, 3u);
    EXPECT_THAT(got.accesses, SizeIs(0));
}

TEST_F(DecodeTest, ConnectNamesItsPeer) {
    auto connect = head_of(SPOOR_EV_ACCESS, SPOOR_OP_CONNECT);
    connect.flags = SPOOR_F_SOCKADDR;
    connect.value = 111;
    feed(make_record(connect, "", "\1\0/var/run/nscd/socket\0"s));
    ASSERT_THAT(got.accesses, SizeIs(1));
    EXPECT_EQ(got.accesses[0].op, Op::connect);
    EXPECT_EQ(got.accesses[0].path, "unix:/var/run/nscd/socket");
    EXPECT_EQ(got.accesses[0].error, 111);
}

// Nothing goes by unnoticed: a record is an event, a part of one, or an anomaly.
TEST_F(DecodeTest, EveryRecordIsAccountedFor) {
    std::mt19937 random(3);
    uint64_t quiet = 0;
    for (int i = 0; i < 50'000; ++i) {
        auto head =
            head_of(static_cast<uint8_t>(random() % 9), static_cast<uint8_t>(random() % 25), random() % 4);
        head.host_tid = static_cast<uint32_t>(random() % 3);
        head.flags = random() % 8 == 0 ? SPOOR_F_SOCKADDR : 0;
        std::string bytes = make_record(head, random() % 4 ? "/base/dir" : "", random() % 2 ? "name" : "");
        if (random() % 20 == 0)
            bytes.resize(random() % bytes.size());
        else if (random() % 20 == 0)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        const auto events = [&] {
            return got.forks.size() + got.execs.size() + got.exits.size() + got.accesses.size() +
                   static_cast<size_t>(got.ends);
        };
        const size_t events_before = events();
        const uint64_t anomalies_before = decoder.anomalies().total();
        feed(bytes);
        ASSERT_LE(events() - events_before, 1u);
        if (events() == events_before && decoder.anomalies().total() == anomalies_before) {
            ASSERT_EQ(static_cast<uint8_t>(bytes[offsetof(spoor_event, type)]), SPOOR_EV_AUX);
            ++quiet;
        }
    }
    EXPECT_GT(quiet, 0u);
    EXPECT_GT(decoder.anomalies().total(), 0u);
}

TEST_F(DecodeTest, ReorderedTruncatedAndRepeatedStreamsGiveNoInventedPath) {
    std::vector<std::string> stream;
    for (uint64_t time = 1; time <= 200; ++time) {
        stream.push_back(make_record(head_of(SPOOR_EV_AUX, SPOOR_AUX_TO, time), "/to", std::to_string(time)));
        stream.push_back(
            make_record(head_of(SPOOR_EV_ACCESS, SPOOR_OP_RENAME, time), "/from", std::to_string(time)));
    }
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        auto mixed = stream;
        for (int i = 0; i < 50; ++i) mixed.push_back(stream[random() % stream.size()]);
        std::shuffle(mixed.begin(), mixed.end(), random);
        Collected events;
        Decoder fresh(events);
        for (auto& bytes : mixed) {
            if (random() % 10 == 0) bytes.resize(random() % (bytes.size() + 1));
            fresh.decode(std::as_bytes(std::span(bytes)));
        }
        fresh.finish();
        for (const auto& access : events.accesses) {
            EXPECT_TRUE(access.path.starts_with("/from/"));
            // A second path, if there is one, is the one of this very call.
            if (!access.to.empty()) {
                EXPECT_EQ(access.to.substr(4), access.path.substr(6));
            }
        }
    }
}

}  // namespace
}  // namespace spoor
