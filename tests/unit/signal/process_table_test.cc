#include "signal/process_table.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "signal/reader.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::content;
using test::exec;
using test::lines;
using test::TemporaryDirectory;
using testing::ElementsAre;

constexpr int exited(int code) { return code << 8; }

struct ProcessTableTest : testing::Test {
    TemporaryDirectory directory;
    WallClock clock;
    LineFile file{directory.fd(), "processes.jsonl"};
    ProcessTable table{file, clock};

    void SetUp() override { ASSERT_TRUE(file.open()); }
    std::vector<ProcessLine> written() {
        file.flush();
        std::vector<ProcessLine> all;
        for (const std::string& line : lines(content(directory.path("processes.jsonl")))) {
            auto parsed = parse_process_line(line);
            EXPECT_TRUE(parsed) << parsed.error().message << "\n" << line;
            if (parsed) all.push_back(std::move(*parsed));
        }
        return all;
    }
};

TEST_F(ProcessTableTest, OneLineALife) {
    table.on(exec({1, 100}, "/bin/sh", {"sh", "-c", "x"}), 110);
    table.on(ForkEvent{{2, 200}, {1, 100}}, 200);
    table.on(exec({2, 200}, "/usr/bin/cc", {"cc", "--token=abc"}, 1), 210);
    table.on(ExitEvent{{2, 200}, exited(3)}, 300);
    table.flush();
    auto all = written();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].process, (ProcessKey{2, 200}));
    EXPECT_EQ(all[0].parent, (ProcessKey{1, 100}));
    EXPECT_THAT(all[0].argv, ElementsAre("cc", "--token=[redacted]"));
    EXPECT_EQ(all[0].exe, "/usr/bin/cc");
    EXPECT_EQ(all[0].cwd, "/w");
    EXPECT_EQ(all[0].exit_code, 3);
    EXPECT_FALSE(all[0].exit_signal);
    EXPECT_EQ(all[0].end, clock.rfc3339(300));
    EXPECT_EQ(all[0].time, clock.rfc3339(200));
    EXPECT_EQ(all[0].task, "-");
    EXPECT_FALSE(all[0].fork_only);
    EXPECT_EQ(table.living(), 1u);

    table.finish();
    all = written();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[1].process, (ProcessKey{1, 100}));
    EXPECT_FALSE(all[1].exit_code);
    EXPECT_TRUE(all[1].end.empty());
    EXPECT_EQ(table.processes(), 2u);
    EXPECT_EQ(table.living(), 0u);
    auto tree = table.tree();
    ASSERT_EQ(tree.size(), 2u);
    EXPECT_EQ(tree[0].pid, 1u);
    EXPECT_EQ(*tree[0].command, "sh -c x");
    EXPECT_EQ(tree[1].parent_pid, 1u);
}

TEST_F(ProcessTableTest, SignalsScriptsAndLoaders) {
    auto event = exec({1, 100}, "/bin/sh", {"sh", "/w/run.sh"});
    event.script = "/w/run.sh";
    event.loader = "/lib/ld.so";
    event.argv_truncated = true;
    table.on(event, 110);
    table.on(ExitEvent{{1, 100}, 9}, 300);
    table.flush();
    auto all = written();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].exit_signal, 9);
    EXPECT_FALSE(all[0].exit_code);
    EXPECT_EQ(all[0].script, "/w/run.sh");
    EXPECT_EQ(all[0].loader, "/lib/ld.so");
    EXPECT_THAT(content(directory.path("processes.jsonl")), testing::HasSubstr("\"argvTruncated\":true"));
}

TEST_F(ProcessTableTest, AForkOnlyChildShowsItsParentsProgramAtTheFork) {
    table.on(exec({1, 100}, "/bin/one", {"one"}), 110);
    table.on(ForkEvent{{2, 200}, {1, 100}}, 200);
    table.on(exec({1, 100}, "/bin/two", {"two"}), 300);
    table.on(ForkEvent{{3, 210}, {2, 200}}, 210);
    table.finish();
    auto all = written();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].exe, "/bin/two");
    for (size_t child : {1u, 2u}) {
        EXPECT_EQ(all[child].exe, "/bin/one");
        EXPECT_TRUE(all[child].fork_only);
    }
}

TEST_F(ProcessTableTest, SeveralExecs) {
    for (uint64_t i = 0; i < 3; ++i) table.on(exec({1, 100}, "/bin/" + std::to_string(i), {"x"}), 110 + i);
    table.finish();
    auto text = content((written(), directory.path("processes.jsonl")));
    EXPECT_EQ(written()[0].exe, "/bin/2");
    EXPECT_LT(text.find("\"execs\":[{"), text.find("/bin/0"));
    EXPECT_EQ(text.find("execsOmitted"), std::string::npos);
}

TEST_F(ProcessTableTest, AnEndlessChainOfExecsStaysBounded) {
    for (uint64_t i = 0; i < 10'000; ++i)
        table.on(exec({1, 100}, "/bin/" + std::to_string(i), {"x"}), 110 + i);
    table.finish();
    auto all = written();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].exe, "/bin/9999");
    auto text = content(directory.path("processes.jsonl"));
    EXPECT_LT(text.size(), 8000u);
    EXPECT_THAT(text, testing::HasSubstr("/bin/0\""));
    EXPECT_THAT(text, testing::HasSubstr("\"execsOmitted\":9968"));
}

TEST_F(ProcessTableTest, BytesInArguments) {
    table.on(exec({1, 100}, "/bin/\xff", {"a", "\xfe\n", ""}), 110);
    table.finish();
    auto all = written();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].exe, "/bin/\xff");
    EXPECT_THAT(all[0].argv, ElementsAre("a", "\xfe\n", ""));
}

TEST_F(ProcessTableTest, AReusedPidIsAnotherProcess) {
    table.on(exec({2, 200}, "/bin/a", {"a"}), 210);
    table.on(ExitEvent{{2, 200}, 0}, 300);
    table.on(ForkEvent{{2, 400}, {1, 100}}, 400);
    table.on(ExitEvent{{2, 400}, exited(7)}, 500);
    table.finish();
    auto all = written();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].exit_code, 0);
    EXPECT_EQ(all[1].exit_code, 7);
    EXPECT_EQ(all[1].process.start_ns, 400u);
}

TEST_F(ProcessTableTest, AMissedExitDoesNotStayForEver) {
    for (uint64_t i = 0; i < 5000; ++i) table.on(ForkEvent{{2, 200 + i}, {1, 100}}, 200 + i);
    table.flush();
    EXPECT_EQ(table.living(), 1u);
    table.finish();
    EXPECT_EQ(written().size(), 5000u);
}

TEST_F(ProcessTableTest, WithoutANumberInTheNamespace) {
    table.on(ForkEvent{{0, 200}, {0, 100}}, 200);
    table.on(ForkEvent{{0, 300}, {0, 100}}, 300);
    table.flush();
    table.on(ExitEvent{{0, 200}, exited(5)}, 400);
    table.finish();
    auto all = written();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].exit_code, 5);
}

TEST_F(ProcessTableTest, LateNewsOfAnEndedProcessAddNoSecondLine) {
    table.on(ForkEvent{{2, 200}, {1, 100}}, 200);
    table.on(ExitEvent{{2, 200}, 0}, 300);
    table.flush();
    table.seen({2, 200});
    table.on(ForkEvent{{2, 200}, {1, 100}}, 200);
    table.on(exec({2, 200}, "/x", {"x"}), 250);
    table.on(ExitEvent{{2, 200}, 1}, 300);
    table.finish();
    EXPECT_EQ(written().size(), 1u);
    EXPECT_EQ(table.processes(), 1u);
}

TEST_F(ProcessTableTest, AnAccessAloneMakesAProcess) {
    table.seen({9, 900});
    table.finish();
    auto all = written();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].process, (ProcessKey{9, 900}));
    EXPECT_TRUE(all[0].exe.empty());
    EXPECT_EQ(all[0].parent.start_ns, 0u);
}

TEST_F(ProcessTableTest, MemoryFollowsTheLiving) {
    for (uint32_t i = 0; i < 20'000; ++i) {
        ProcessKey child{2 + i, 1000 + i};
        table.on(ForkEvent{child, {1, 100}}, child.start_ns);
        table.on(exec(child, "/bin/true", {"true", std::to_string(i)}), child.start_ns + 1);
        table.on(ExitEvent{child, 0}, child.start_ns + 2);
        ASSERT_LE(table.living(), 1100u);
    }
    table.flush();
    EXPECT_EQ(table.living(), 0u);
    EXPECT_EQ(written().size(), 20'000u);
    EXPECT_EQ(table.tree().size(), 20'000u);
}

TEST_F(ProcessTableTest, LongCommandsAreCutInTheTreeOnly) {
    std::string longest(5000, 'x');
    table.on(exec({1, 100}, "/bin/x", {longest, "\xe2\x82\xac"}), 110);
    std::string wide;
    for (int i = 0; i < 1000; ++i) wide += "€";
    table.on(exec({2, 200}, "/bin/x", {wide}), 210);
    table.finish();
    EXPECT_EQ(written()[0].argv[0], longest);
    auto tree = table.tree();
    EXPECT_LE(tree[0].command->size(), 1003u);
    EXPECT_TRUE(is_utf8(*tree[1].command));
}

// Any order of what belongs to one interval, anything doubled: the same lines.
TEST(ProcessTableProperty, OrderAndRepeatsDoNotMatter) {
    std::mt19937 random(11);
    auto lines_of = [](const std::vector<std::function<void(ProcessTable&)>>& events) {
        TemporaryDirectory directory;
        WallClock clock;
        LineFile file(directory.fd(), "p");
        EXPECT_TRUE(file.open());
        ProcessTable table(file, clock);
        for (const auto& event : events) event(table);
        table.finish();
        file.flush();
        std::map<std::pair<uint64_t, uint32_t>, std::string> all;
        for (const std::string& line : lines(content(directory.path("p")))) {
            auto parsed = parse_process_line(line).value();
            std::string shown = parsed.exe + "|" + std::to_string(parsed.parent.pid) + "|" +
                                std::to_string(parsed.parent.start_ns) + "|" +
                                std::to_string(parsed.exit_code.value_or(-1)) + "|" +
                                std::to_string(parsed.exit_signal.value_or(-1));
            EXPECT_TRUE(all.emplace(std::pair{parsed.process.start_ns, parsed.process.pid}, shown).second)
                << line;
        }
        return all;
    };
    for (int round = 0; round < 200; ++round) {
        std::vector<std::function<void(ProcessTable&)>> events;
        auto processes = static_cast<uint32_t>(2 + random() % 12);
        for (uint32_t i = 0; i < processes; ++i) {
            // Few pids, so that they are reused.
            ProcessKey key{2 + i % 4, 1000 + 100 * i};
            ProcessKey parent{i < 4 ? 1 : 2 + (i - 4) % 4, i < 4 ? 10 : 1000 + 100 * (i - 4)};
            events.push_back([=](ProcessTable& t) { t.on(ForkEvent{key, parent}, key.start_ns); });
            for (uint32_t n = 0; n <= random() % 3; ++n)
                events.push_back([=](ProcessTable& t) {
                    t.on(exec(key, "/bin/" + std::to_string(i) + "." + std::to_string(n), {"x"}, parent.pid),
                         key.start_ns + 1 + n);
                });
            int status = random() % 2 ? exited(static_cast<int>(random() % 256))
                                      : static_cast<int>(1 + random() % 15);
            events.push_back([=](ProcessTable& t) { t.on(ExitEvent{key, status}, key.start_ns + 50); });
            events.push_back([=](ProcessTable& t) { t.seen(key); });
        }
        auto expected = lines_of(events);
        EXPECT_EQ(expected.size(), processes);
        auto shuffled = events;
        shuffled.insert(shuffled.end(), events.begin(),
                        events.begin() + static_cast<long>(random() % events.size()));
        std::shuffle(shuffled.begin(), shuffled.end(), random);
        EXPECT_EQ(lines_of(shuffled), expected) << "round " << round;
    }
}

// Events missing, flushes anywhere: never a crash, never two lines for one process, all counted.
TEST(ProcessTableProperty, TruncatedStreams) {
    std::mt19937 random(12);
    for (int round = 0; round < 300; ++round) {
        TemporaryDirectory directory;
        WallClock clock;
        LineFile file(directory.fd(), "p");
        ASSERT_TRUE(file.open());
        ProcessTable table(file, clock);
        for (int i = 0; i < 200; ++i) {
            auto any = [&] { return ProcessKey{static_cast<uint32_t>(random() % 5), random() % 8}; };
            switch (random() % 6) {
                case 0:
                    table.on(ForkEvent{any(), any()}, random() % 100);
                    break;
                case 1:
                    table.on(exec(any(), "/x", {}, static_cast<uint32_t>(random() % 5)), random() % 100);
                    break;
                case 2:
                    table.on(ExitEvent{any(), static_cast<int>(random() % 65536)}, random() % 100);
                    break;
                case 3:
                    table.seen(any());
                    break;
                case 4:
                    table.flush();
                    break;
                default:
                    break;
            }
        }
        table.finish();
        file.flush();
        std::map<std::pair<uint64_t, uint32_t>, int> count;
        for (const std::string& line : lines(content(directory.path("p")))) {
            auto parsed = parse_process_line(line);
            ASSERT_TRUE(parsed) << line;
            EXPECT_EQ(++count[std::pair(parsed->process.start_ns, parsed->process.pid)], 1) << line;
        }
        EXPECT_EQ(count.size(), table.processes());
        EXPECT_EQ(table.living(), 0u);
    }
}

}  // namespace
}  // namespace spoor
