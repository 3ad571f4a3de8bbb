#include "signal/trail.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::access;
using test::content;
using test::eventually;
using test::exec;
using test::lines;
using test::put;
using test::TemporaryDirectory;
using testing::Contains;
using testing::HasSubstr;
using Json = nlohmann::json;

Session facts() {
    Session session;
    session.container_id = "c1";
    session.family = "syscall-exit";
    session.exact_ops = ~0u;
    session.ring_bytes = 4096;
    return session;
}

Trail trail_in(const std::string& path, TrailOptions options = {}) {
    auto volume = Volume::open(path);
    EXPECT_TRUE(volume) << volume.error().message;
    return Trail(std::move(*volume), facts(), options);
}

struct TrailTest : testing::Test {
    TemporaryDirectory directory;
    Json json(const std::string& name) { return Json::parse(content(directory.path("trace/" + name))); }
    std::vector<std::string> trace_lines(const std::string& name) {
        return lines(content(directory.path("trace/" + name)));
    }
};

TEST_F(TrailTest, FromTheFirstInstructionToTheLast) {
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(trail.begin());
    EXPECT_EQ(json("session.json")["state"], "tracing");
    EXPECT_EQ(json("session.json")["complete"], false);
    EXPECT_EQ(content(directory.path("trace/accesses.jsonl")), "");

    uint64_t now = boot_time_ns();
    ProcessKey init{1, now};
    auto program = exec(init, "/bin/sh", {"sh"});
    program.loader = "/lib/ld.so";
    trail.on(program, now);
    trail.on(ForkEvent{{2, now + 5}, init}, now + 5);
    AccessEvent read = access(Op::read, "/w/in");
    read.process = {2, now + 5};
    trail.on(read, now + 6);
    trail.on(read, now + 7);
    AccessEvent write = access(Op::write, "/w/out");
    write.process = init;
    trail.on(write, now + 8);
    AccessEvent repeated = access(Op::exec, "/bin/sh");
    repeated.process = init;
    trail.on(repeated, now + 8);
    trail.on(ExitEvent{{2, now + 5}, 0}, now + 9);
    trail.flush();
    EXPECT_EQ(trace_lines("accesses.jsonl").size(), 4u);  // exec, loader, read, write
    EXPECT_EQ(trace_lines("processes.jsonl").size(), 1u);
    trail.on(ExitEvent{init, 0}, now + 10);
    ASSERT_TRUE(trail.finish({10, 10}, {}));

    auto session = json("session.json");
    EXPECT_EQ(session["state"], "finished");
    EXPECT_EQ(session["complete"], true) << session;
    EXPECT_EQ(session["counters"]["processes"], 2);
    EXPECT_EQ(session["counters"]["accesses"], 4);
    EXPECT_EQ(session["counters"]["events"], 10);
    EXPECT_FALSE(session["finished"].is_null());
    auto report = json("tasks/-.json");
    EXPECT_EQ(report["schema"], "spoor.report/1");
    EXPECT_EQ(report["inputs"], Json({"/bin/sh", "/lib/ld.so", "/w/in"}));
    EXPECT_EQ(report["outputs"], Json({"/w/out"}));
    EXPECT_EQ(report["filesRead"][2], Json({{"path", "/w/in"}, {"pid", 2}}));
    EXPECT_EQ(report["processTree"].size(), 2u);
    EXPECT_EQ(report["processTree"][1]["parentPid"], 1);
    EXPECT_EQ(report["spoor"]["complete"], true);

    // Over is over.
    trail.on(write, now + 20);
    trail.flush();
    EXPECT_TRUE(trail.finish({1, 1}, {}));
    EXPECT_EQ(json("session.json"), session);
}

TEST_F(TrailTest, ReasonsAndLossMakeItIncomplete) {
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(trail.begin());
    trail.add_warning("w");
    trail.add_warning("w");
    trail.set_ring_bytes(8192);
    ASSERT_TRUE(trail.checkpoint({5, 4}, {}));
    EXPECT_TRUE(eventually([&] { return json("session.json")["counters"]["received"] == 4; }));
    SessionLoss loss;
    loss.ring_full = 7;
    ASSERT_TRUE(trail.finish({12, 5}, loss, {"why", "why"}, SessionState::degraded));
    auto session = json("session.json");
    EXPECT_EQ(session["state"], "degraded");
    EXPECT_EQ(session["complete"], false);
    EXPECT_EQ(session["lost"], 7);
    EXPECT_EQ(session["reasons"], Json({"why"}));
    EXPECT_EQ(session["warnings"], Json({"w"}));
    EXPECT_EQ(session["ringBytes"], 8192);
    EXPECT_EQ(json("tasks/-.json")["spoor"]["complete"], false);
    EXPECT_EQ(json("tasks/-.json")["spoor"]["reasons"], Json({"why"}));
}

TEST_F(TrailTest, TellsOfEveryPartOfARotatedLog) {
    TrailOptions options;
    options.rotate_bytes = 2000;
    Trail trail = trail_in(directory.path(), options);
    ASSERT_TRUE(trail.begin());
    for (int i = 0; i < 100; ++i) trail.on(access(Op::read, "/f" + std::to_string(i)), 1000);
    trail.flush();
    EXPECT_TRUE(eventually([&] { return json("session.json")["files"]["accesses"].size() > 2; }));
    ASSERT_TRUE(trail.finish({}, {}));
    size_t total = 0;
    for (const std::string& name : json("session.json")["files"]["accesses"].get<std::vector<std::string>>())
        total += trace_lines(name).size();
    EXPECT_EQ(total, 100u);
    EXPECT_EQ(json("session.json")["complete"], true);
}

TEST_F(TrailTest, MoreTasksThanDescriptors) {
    for (const char* place : {"/var/tmp", "/dev/shm"}) {
        const TemporaryDirectory volume(place);
        Trail trail = trail_in(volume.path());
        ASSERT_TRUE(trail.begin());
        for (int i = 0; i < 500; ++i) {
            auto start = parse_task_signal(R"({"schema":"spoor.task/1","event":"start","taskId":"t)" +
                                           std::to_string(i) + "\"}");
            ASSERT_TRUE(start);
            trail.on(std::move(*start), boot_time_ns(), {});
        }
        rlimit before{};
        ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
        const rlimit few{4 * Syncer::waiting_max, before.rlim_max};
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
        const Status finished = trail.finish({}, {});
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
        ASSERT_TRUE(finished);
        const Json session = Json::parse(content(volume.path("trace/session.json")));
        EXPECT_EQ(session["complete"], true) << session["reasons"];
        EXPECT_EQ(session["warnings"], Json::array());
        EXPECT_TRUE(std::filesystem::exists(volume.path("trace/tasks/t499.json")));
    }
}

TEST_F(TrailTest, AReportThatCannotBeWrittenIsMissing) {
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(trail.begin());
    auto start = parse_task_signal(R"({"schema":"spoor.task/1","event":"start","taskId":"t"})");
    ASSERT_TRUE(start);
    trail.on(std::move(*start), boot_time_ns(), {});
    std::filesystem::remove_all(directory.path("trace/tasks"));
    ASSERT_TRUE(trail.finish({}, {}));
    EXPECT_EQ(json("session.json")["complete"], false);
    EXPECT_THAT(json("session.json")["reasons"].dump(), HasSubstr("a task's report could not be written"));
}

TEST_F(TrailTest, WithoutTheLogTheReportStands) {
    TrailOptions options;
    options.write_accesses = false;
    Trail trail = trail_in(directory.path(), options);
    ASSERT_TRUE(trail.begin());
    trail.on(access(Op::read, "/f"), 1000);
    ASSERT_TRUE(trail.finish({}, {}));
    EXPECT_NE(::access(directory.path("trace/accesses.jsonl").c_str(), F_OK), 0);
    EXPECT_EQ(json("session.json")["files"]["accesses"], Json::array());
    EXPECT_EQ(json("session.json")["counters"]["accesses"], 1);
    EXPECT_EQ(json("tasks/-.json")["inputs"], Json({"/f"}));
}

TEST_F(TrailTest, NamesThatAreNotUtf8InTheReport) {
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(trail.begin());
    trail.on(access(Op::read, "/a"), 1);
    trail.on(access(Op::read, "/b\xff"), 1);
    trail.on(access(Op::write, "/c\n\"\xfe"), 1);
    ASSERT_TRUE(trail.finish({}, {}));
    auto report = json("tasks/-.json");
    EXPECT_EQ(report["inputs"], Json({"/a", "/b\uFFFD"}));
    EXPECT_EQ(report["spoor"]["inputsBytes"], Json::parse(R"([{"index":1,"bytes":"L2L/"}])"));
    EXPECT_EQ(report["filesRead"][1]["pathBytes"], "L2L/");
    EXPECT_EQ(report["outputs"][0], "/c\n\"\uFFFD");
    EXPECT_TRUE(report["spoor"].contains("outputsBytes"));
}

TEST_F(TrailTest, WhatIsLeftOutIsSaid) {
    TrailOptions options;
    options.access_set_bytes = 0;
    Trail trail = trail_in(directory.path(), options);
    ASSERT_TRUE(trail.begin());
    trail.on(access(Op::read, "/a"), 1);
    trail.on(access(Op::read, "/b", 1, flag_truncated), 1);
    ASSERT_TRUE(trail.finish({}, {}));
    auto session = json("session.json");
    EXPECT_EQ(session["complete"], false);
    ASSERT_EQ(session["reasons"].size(), 2u);
    EXPECT_EQ(session["reasons"][0], "1 path was longer than can be reported, and cut");
    EXPECT_EQ(session["reasons"][1], "the report leaves out 2 accesses: more paths than it has memory for");
    EXPECT_EQ(json("tasks/-.json")["spoor"]["omittedAccesses"], 2);
}

TEST_F(TrailTest, ARemovedDirectoryIsAnErrorAtTheEndAndNothingElse) {
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(trail.begin());
    ASSERT_TRUE(remove_tree(directory.path("trace")));
    for (int i = 0; i < 10; ++i) trail.on(access(Op::read, "/f" + std::to_string(i)), 1000);
    trail.flush();
    EXPECT_FALSE(trail.checkpoint({}, {}));
    EXPECT_FALSE(trail.finish({}, {}));
    EXPECT_FALSE(trail.session().complete());
}

TEST_F(TrailTest, ThingsPlantedWhileItRuns) {
    TemporaryDirectory outside;
    put(outside.path("victim"), "untouched");
    TrailOptions options;
    options.rotate_bytes = 500;
    Trail trail = trail_in(directory.path(), options);
    ASSERT_TRUE(trail.begin());
    auto plant = [&](const char* name) {
        std::string path = directory.path(std::string("trace/") + name);
        ::unlink(path.c_str());
        ASSERT_EQ(::symlink(outside.path("victim").c_str(), path.c_str()), 0) << name;
    };
    plant("session.json");
    plant("tasks/-.json");
    plant("accesses.jsonl.1");
    plant("accesses.jsonl.2");
    for (int i = 0; i < 20; ++i) trail.on(access(Op::read, "/f" + std::to_string(i)), 1000);
    trail.flush();
    ASSERT_TRUE(trail.finish({}, {}));
    EXPECT_EQ(content(outside.path("victim")), "untouched");
    size_t total = 0;
    for (const std::string& name : json("session.json")["files"]["accesses"].get<std::vector<std::string>>())
        total += trace_lines(name).size();
    EXPECT_EQ(total, 20u);
    EXPECT_EQ(json("tasks/-.json")["inputs"].size(), 20u);
}

TEST_F(TrailTest, DirectoriesInThePlaceOfFiles) {
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(trail.begin());
    for (const char* name : {"trace/session.json", "trace/tasks/-.json"}) {
        ::unlink(directory.path(name).c_str());
        ASSERT_EQ(::mkdir(directory.path(name).c_str(), 0755), 0);
        put(directory.path(name) + "/x", "x");
    }
    trail.on(access(Op::read, "/f"), 1000);
    ASSERT_TRUE(trail.finish({}, {}));
    EXPECT_EQ(json("session.json")["state"], "finished");
    EXPECT_EQ(json("session.json")["complete"], true);
    EXPECT_EQ(json("tasks/-.json")["inputs"].size(), 1u);
}

// What stands in the volume is not what was written: the session must not claim that it is.
TEST_F(TrailTest, LogsThatSomebodyElseChanges) {
    const auto reasons_after = [&](const std::function<void(const std::string&)>& harm, const char* name) {
        Trail trail = trail_in(directory.path());
        EXPECT_TRUE(trail.begin());
        trail.on(access(Op::read, "/f"), 1000);
        trail.flush();
        harm(directory.path(std::string("trace/") + name));
        EXPECT_TRUE(trail.finish({}, {}));
        const auto session = json("session.json");
        EXPECT_EQ(session["complete"], session["reasons"].empty());
        return session["reasons"].dump();
    };
    EXPECT_EQ(reasons_after([](const std::string&) {}, "accesses.jsonl"), "[]");
    for (const char* name : {"accesses.jsonl", "processes.jsonl"}) {
        const auto told = HasSubstr(std::string("trace/") + name + " was removed, replaced or changed");
        EXPECT_THAT(reasons_after([](const std::string& path) { ::unlink(path.c_str()); }, name), told);
        EXPECT_THAT(reasons_after(
                        [](const std::string& path) {
                            put(path + ".new", "x"), ::rename((path + ".new").c_str(), path.c_str());
                        },
                        name),
                    told);
        EXPECT_THAT(reasons_after(
                        [](const std::string& path) { std::ofstream(path, std::ios::app) << "{}\n"; }, name),
                    told);
    }
    EXPECT_THAT(reasons_after([](const std::string& path) { EXPECT_EQ(::truncate(path.c_str(), 0), 0); },
                              "accesses.jsonl"),
                HasSubstr("trace/accesses.jsonl was removed, replaced or changed"));
}

TEST_F(TrailTest, AVolumeThatCannotBeUsed) {
    // Immutable for its owner too: the directory is gone before anything begins.
    Trail trail = trail_in(directory.path());
    ASSERT_TRUE(remove_tree(directory.path("trace")));
    EXPECT_FALSE(trail.begin());
    trail.on(access(Op::read, "/f"), 1000);
    trail.flush();
    EXPECT_FALSE(trail.finish({}, {}));
    EXPECT_THAT(trail.session().reasons, Contains(HasSubstr("could not be used")));
}

// A real full disk, where the machine lets us make one.
TEST_F(TrailTest, AFullDisk) {
    if (::unshare(CLONE_NEWNS) < 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=64k") < 0)
        GTEST_SKIP() << "no right to mount a small file system here";
    {
        Trail trail = trail_in(directory.path());
        ASSERT_TRUE(trail.begin());
        put(directory.path("filler"), std::string(200'000, 'x'));
        for (int i = 0; i < 2000; ++i) {
            ProcessKey process{static_cast<uint32_t>(i + 2), static_cast<uint64_t>(1000 + i)};
            trail.on(exec(process, "/bin/true", {"true"}), process.start_ns);
            trail.on(ExitEvent{process, 0}, process.start_ns + 1);
            trail.on(access(Op::read, "/f" + std::to_string(i)), 1000);
        }
        trail.flush();
        EXPECT_FALSE(trail.checkpoint({}, {}));
        // The old session.json is whole, and no temporary is left.
        EXPECT_EQ(json("session.json")["state"], "tracing");
        // It is full to the end, yet the end is told.
        ASSERT_TRUE(trail.finish({}, {}));
        auto session = json("session.json");
        EXPECT_EQ(session["state"], "finished");
        EXPECT_EQ(session["complete"], false);
        auto reasons = session["reasons"].dump();
        EXPECT_THAT(reasons, HasSubstr("accesses.jsonl: write: No space left on device: "));
        EXPECT_THAT(reasons, HasSubstr("processes.jsonl: write: No space left on device: "));
        for (const char* name : {"accesses.jsonl", "processes.jsonl"})
            for (const std::string& line : trace_lines(name)) EXPECT_TRUE(Json::accept(line)) << line;
    }
    ::umount2(directory.path().c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace spoor
