#include "signal/access_log.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "signal/reader.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::access;
using test::content;
using test::lines;
using test::put;
using test::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t noon_ns = 5'000'000'000'000;

struct Fixture : testing::Test {
    TemporaryDirectory directory;
    WallClock clock;
    std::vector<std::string> written(const char* name = "accesses.jsonl") {
        return lines(content(directory.path(name)));
    }
};
using AccessLogTest = Fixture;

TEST_F(AccessLogTest, WritesOneLineAnAccess) {
    AccessLog log(directory.fd(), clock, 0);
    ASSERT_TRUE(log.open());
    EXPECT_TRUE(log.add(access(Op::read, "/w/a", 7), noon_ns));
    EXPECT_TRUE(
        log.add(access(Op::rename, "/w/a", 7, flag_lexical | flag_directory, "/w/b", EACCES), noon_ns + 1));
    EXPECT_TRUE(log.add(access(Op::mmap_exec, "/lib/x", 8), noon_ns + 2'000'000'000));
    log.flush();
    auto all = written();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0], "{\"time\":\"" + clock.rfc3339(noon_ns) +
                          "\",\"pid\":7,\"start\":7000,\"op\":\"read\",\"path\":\"/w/a\"}");
    EXPECT_THAT(
        all[1],
        HasSubstr("\"op\":\"rename\",\"path\":\"/w/a\",\"to\":\"/w/b\",\"error\":\"EACCES\",\"flags\":"
                  "[\"lexical\",\"directory\"]}"));
    EXPECT_THAT(all[2], HasSubstr("\"op\":\"mmap-exec\""));
    EXPECT_EQ(log.accesses(), 3u);
}

TEST_F(AccessLogTest, TimesFollowTheClock) {
    TimeText text(clock);
    std::string last;
    for (uint64_t step = 0; step < 5000; ++step) {
        uint64_t time = noon_ns + step * 997'001;
        std::string shown(text(time));
        EXPECT_GE(shown, last);
        last = shown;
        std::string exact = clock.rfc3339(time), before = clock.rfc3339(time - 1000),
                    after = clock.rfc3339(time + 1000);
        EXPECT_TRUE(shown == exact || shown == before || shown == after) << shown << " " << exact;
    }
    EXPECT_EQ(text(noon_ns), clock.rfc3339(noon_ns));  // backwards too
    EXPECT_EQ(text(0), clock.rfc3339(0));
}

TEST_F(AccessLogTest, NamesSurviveWhateverTheyAre) {
    AccessLog log(directory.fd(), clock, 0);
    ASSERT_TRUE(log.open());
    std::vector<std::string> names = {"/a\nb",
                                      "/q\"\\'",
                                      "/\xff\xfe",
                                      "/\x01\x1f\x7f",
                                      "/ünï",
                                      "/ (deleted)",
                                      "/" + std::string(255, '\xe2'),
                                      "/" + std::string(9000, 'x'),
                                      "/\uFFFD",
                                      "/\\u0041"};
    for (const std::string& name : names) log.add(access(Op::link, name, 1, 0, name + "\xc3"), noon_ns);
    log.flush();
    auto all = written();
    ASSERT_EQ(all.size(), names.size());
    for (size_t i = 0; i < names.size(); ++i) {
        auto line = parse_access_line(all[i]);
        ASSERT_TRUE(line) << line.error().message;
        EXPECT_EQ(line->path, names[i]);
        EXPECT_EQ(line->to, names[i] + "\xc3");
        EXPECT_EQ(line->op, "link");
    }
}

TEST_F(AccessLogTest, NameThatWasNotFollowedIsAnotherUntilItIsResolved) {
    AccessLog log(directory.fd(), clock, 0);
    const uint16_t itself = flag_lexical | flag_nofollow;
    EXPECT_TRUE(log.add(access(Op::probe, "/link", 1, itself), noon_ns));
    EXPECT_TRUE(log.add(access(Op::probe, "/link", 1, flag_lexical), noon_ns));
    EXPECT_FALSE(log.add(access(Op::probe, "/link", 1, itself), noon_ns));
    EXPECT_FALSE(log.add(access(Op::probe, "/link", 1, flag_lexical), noon_ns));
    EXPECT_TRUE(log.add(access(Op::probe, "/a", 1, itself), noon_ns));
    EXPECT_FALSE(log.add(access(Op::probe, "/a", 1, flag_open), noon_ns));
    EXPECT_TRUE(log.add(access(Op::probe, "/b", 1, flag_lexical), noon_ns));
    EXPECT_FALSE(log.add(access(Op::probe, "/b", 1, flag_open), noon_ns));
    EXPECT_TRUE(log.add(access(Op::probe, "/c", 1, flag_open), noon_ns));
    EXPECT_FALSE(log.add(access(Op::probe, "/c", 1, itself), noon_ns));
    EXPECT_FALSE(log.add(access(Op::probe, "/c", 1, flag_lexical), noon_ns));
    EXPECT_TRUE(log.add(access(Op::rename, "/a", 1, itself, "/b", EXDEV), noon_ns));
    EXPECT_TRUE(log.add(access(Op::rename, "/a", 1, itself | flag_exchange, "/b", EXDEV), noon_ns));
    EXPECT_EQ(log.accesses(), 7u);
}

TEST_F(AccessLogTest, DropsExactRepeatsOnly) {
    AccessLog log(directory.fd(), clock, 0);
    ASSERT_TRUE(log.open());
    auto base = access(Op::rename, "/a", 1, 0, "/b");
    base.error = EACCES;
    EXPECT_TRUE(log.add(base, noon_ns));
    EXPECT_FALSE(log.add(base, noon_ns + 5));
    auto other = base;
    other.path = "/c";
    EXPECT_TRUE(log.add(other, noon_ns));
    other = base, other.to = "/c";
    EXPECT_TRUE(log.add(other, noon_ns));
    other = base, other.error = EPERM;
    EXPECT_TRUE(log.add(other, noon_ns));
    other = base, other.op = Op::link;
    EXPECT_TRUE(log.add(other, noon_ns));
    other = base, other.process.pid = 2;
    EXPECT_TRUE(log.add(other, noon_ns));
    other = base, other.process.start_ns += 1;
    EXPECT_TRUE(log.add(other, noon_ns));
    other = base, other.path = "/a/", other.to = "b";  // the same bytes, cut elsewhere
    EXPECT_TRUE(log.add(other, noon_ns));
    EXPECT_EQ(log.accesses(), 8u);
}

TEST_F(AccessLogTest, EverySuccessThatChangesNamesIsWritten) {
    AccessLog log(directory.fd(), clock, 0);
    ASSERT_TRUE(log.open());
    for (Op op : {Op::create, Op::remove, Op::create, Op::remove})
        EXPECT_TRUE(log.add(access(op, "/a", 1, 0, ""), noon_ns));
    EXPECT_TRUE(log.add(access(Op::write, "/a", 1, 0, ""), noon_ns));
    EXPECT_FALSE(log.add(access(Op::write, "/a", 1, 0, ""), noon_ns));
}

TEST(RecentSet, RemembersTheLatestAndStaysSmall) {
    RecentSet set(1000);
    for (uint64_t i = 1; i <= 10'000; ++i) {
        EXPECT_TRUE(set.insert(i)) << i;
        EXPECT_FALSE(set.insert(i)) << i;
        EXPECT_TRUE(i < 1000 || set.contains(i - 999));
    }
    EXPECT_FALSE(set.contains(5000));
    EXPECT_TRUE(set.insert(0));
}

TEST_F(AccessLogTest, RotatesBySizeAndLosesNothing) {
    AccessLog log(directory.fd(), clock, 4096);
    ASSERT_TRUE(log.open());
    for (int i = 0; i < 200; ++i) log.add(access(Op::read, "/file/" + std::to_string(i)), noon_ns);
    log.flush();
    ASSERT_GE(log.rotations(), 3u);
    size_t total = 0;
    int next = 0;
    for (const std::string& name : log.files()) {
        auto part = written(name.c_str());
        total += part.size();
        for (const std::string& line : part)
            EXPECT_EQ(parse_access_line(line)->path, "/file/" + std::to_string(next++));
        EXPECT_LT(content(directory.path(name)).size(), 4096u + 200);
    }
    EXPECT_EQ(total, 200u);
    EXPECT_EQ(log.files().front(), "accesses.jsonl.1");
    EXPECT_EQ(log.files().back(), "accesses.jsonl");
}

TEST_F(AccessLogTest, RotationInTheWayOfADirectory) {
    ASSERT_EQ(::mkdir(directory.path("accesses.jsonl.1").c_str(), 0755), 0);
    AccessLog log(directory.fd(), clock, 1024);
    ASSERT_TRUE(log.open());
    for (int i = 0; i < 100; ++i) log.add(access(Op::read, "/file/" + std::to_string(i)), noon_ns);
    log.flush();
    EXPECT_EQ(written().size(), 100u);
    EXPECT_EQ(log.rotations(), 0u);
    EXPECT_THAT(log.rotation_error(), HasSubstr("accesses.jsonl.1"));
    EXPECT_THAT(log.files(), ElementsAre("accesses.jsonl"));
}

TEST_F(AccessLogTest, SwitchedOffItOnlyCounts) {
    AccessLog log(directory.fd(), clock, 0);
    EXPECT_TRUE(log.add(access(Op::read, "/a"), noon_ns));
    EXPECT_FALSE(log.add(access(Op::read, "/a"), noon_ns));
    log.flush();
    EXPECT_EQ(log.accesses(), 1u);
    EXPECT_TRUE(log.files().empty());
    EXPECT_NE(::access(directory.path("accesses.jsonl").c_str(), F_OK), 0);
}

TEST_F(AccessLogTest, PlantedThingsAreReplaced) {
    TemporaryDirectory outside;
    put(outside.path("victim"), "untouched");
    auto check = [&] {
        AccessLog log(directory.fd(), clock, 0);
        ASSERT_TRUE(log.open());
        log.add(access(Op::read, "/a"), noon_ns);
        log.flush();
        EXPECT_EQ(written().size(), 1u);
        struct stat st {};
        ASSERT_EQ(::lstat(directory.path("accesses.jsonl").c_str(), &st), 0);
        EXPECT_TRUE(S_ISREG(st.st_mode));
        EXPECT_EQ(st.st_mode & 07777, 0644u);
        ::unlink(directory.path("accesses.jsonl").c_str());
    };
    ASSERT_EQ(::symlink(outside.path("victim").c_str(), directory.path("accesses.jsonl").c_str()), 0);
    check();
    ASSERT_EQ(::mkfifo(directory.path("accesses.jsonl").c_str(), 0600), 0);
    check();
    ASSERT_EQ(::link(outside.path("victim").c_str(), directory.path("accesses.jsonl").c_str()), 0);
    check();
    EXPECT_EQ(content(outside.path("victim")), "untouched");
}

// A file size limit is a full disk that needs no privilege: the write that crosses it is partial,
// the next fails.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &old_);
        handler_ = ::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{bytes, old_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &old_);
        ::signal(SIGXFSZ, handler_);
    }

private:
    rlimit old_{};
    void (*handler_)(int);
};

TEST_F(AccessLogTest, AFullDiskCostsWholeLinesAndIsCounted) {
    AccessLog log(directory.fd(), clock, 0);
    ASSERT_TRUE(log.open());
    log.add(access(Op::read, "/before"), noon_ns);
    log.flush();
    {
        FileSizeLimit limit(1000);
        for (int i = 0; i < 100; ++i) log.add(access(Op::read, "/full/" + std::to_string(i)), noon_ns);
        log.flush();
        log.add(access(Op::read, "/full/still"), noon_ns);
        log.add(access(Op::read, "/full/" + std::string(2000, 'x')), noon_ns);
        log.flush();
    }
    log.add(access(Op::read, "/after"), noon_ns);
    log.flush();
    auto all = written();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(parse_access_line(all[0])->path, "/before");
    EXPECT_EQ(parse_access_line(all[1])->path, "/after");
    EXPECT_EQ(log.file().lost_lines(), 102u);
    EXPECT_THAT(log.file().error(), HasSubstr("accesses.jsonl: "));
}

TEST(Reader, RefusesWhatIsNoLine) {
    for (const char* bad :
         {"", "{", "[]", "null", "{}", R"({"time":"x","pid":"1","start":1,"op":"read","path":"/"})",
          R"({"time":"x","pid":1,"start":1,"op":"read","path":7})",
          R"({"time":"x","pid":1,"start":1,"op":"read","path":"/","pathBytes":"?"})",
          R"({"time":"x","pid":1,"start":1,"op":"read","path":"/","pathBytes":1})"})
        EXPECT_FALSE(parse_access_line(bad)) << bad;
    for (const char* bad :
         {"", "{}", "[]", R"({"time":"x","pid":1,"start":1,"ppid":0,"parentStart":0,"argvBytes":["?"]})"})
        EXPECT_FALSE(parse_process_line(bad)) << bad;
}

}  // namespace
}  // namespace spoor
