// Tasks from signals and events to reports, through a trail.
#include "signal/task_book.h"

#include <gmock/gmock.h>
#include <malloc.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "signal/trail.h"
#include "tests/unit/cpu_time.h"
#include "tests/unit/signal/support.h"

namespace spoor {
namespace {

using test::content;
using test::lines;
using test::TemporaryDirectory;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Json = nlohmann::json;

constexpr uint64_t ms = 1'000'000;

// Patterns are paths relative to the workspace, which also stand for all beneath them.
class PlainJudge : public TaskJudge {
public:
    explicit PlainJudge(TaskContext context) : context_(std::move(context)) {}

    std::vector<std::string> declare(const TaskDeclared& more) override {
        std::vector<std::string> warnings;
        auto take = [&](const auto& list, std::map<std::string, bool>& to) {
            if (!list) return;
            for (const std::string& pattern : *list) {
                if (pattern == "bad")
                    warnings.push_back("bad: no pattern");
                else
                    to.emplace(context_.workspace_root + "/" + pattern, false);
            }
        };
        take(more.inputs, inputs_);
        take(more.dependencies_outputs, inputs_);
        take(more.outputs, outputs_);
        return warnings;
    }
    Verdict read(std::string_view path) override { return verdict(path, inputs_); }
    Verdict write(std::string_view path) override { return verdict(path, outputs_); }
    std::vector<std::string> inputs_not_read() const override { return unused(inputs_); }
    std::vector<std::string> outputs_not_written() const override { return unused(outputs_); }
    Result<std::vector<uint8_t>> refusals(bool reads, bool writes) const override {
        return std::vector<uint8_t>{reads, writes};
    }
    std::string pattern_for(std::string_view path) const override { return std::string(path); }
    TaskSuggestions suggest(const Undeclared& of) const override {
        TaskSuggestions made;
        for (const auto& path : of.reads) made.inputs.push_back({path, "web", "apps/web", 1});
        for (const auto& path : of.writes) made.outputs.push_back({path, "", "", 1});
        made.project_json = "{}";
        return made;
    }

private:
    static Verdict verdict(std::string_view path, std::map<std::string, bool>& patterns) {
        if (!path.starts_with("/ws/") || path.starts_with("/ws/excluded/")) return Verdict::excluded;
        for (auto& [pattern, used] : patterns) {
            if (!path.starts_with(pattern)) continue;
            if (path.size() > pattern.size() && path[pattern.size()] != '/') continue;
            used = true;
            return Verdict::declared;
        }
        return Verdict::undeclared;
    }
    static std::vector<std::string> unused(const std::map<std::string, bool>& patterns) {
        std::vector<std::string> list;
        for (const auto& [pattern, used] : patterns)
            if (!used) list.push_back(pattern);
        return list;
    }

    TaskContext context_;
    std::map<std::string, bool> inputs_, outputs_;
};

struct TaskBookTest : testing::Test {
    TemporaryDirectory directory;
    TrailOptions options;
    std::unique_ptr<Trail> trail;
    uint64_t now = boot_time_ns();
    std::map<uint32_t, uint64_t> starts;

    explicit TaskBookTest(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
        : directory(parent) {
        options.tasks.make_judge = [](const TaskContext& context) {
            return MadeJudge{std::make_unique<PlainJudge>(context), {}};
        };
    }
    void begin() {
        auto volume = Volume::open(directory.path());
        ASSERT_TRUE(volume);
        trail = std::make_unique<Trail>(std::move(*volume), Session{}, options);
        ASSERT_TRUE(trail->begin());
        execute(1, {}, "/bin/agent");
    }
    void pass(uint64_t time_ms) {
        now += time_ms * ms;
        trail->tick(now, {});
    }
    ProcessKey key(uint32_t pid) {
        auto [at, fresh] = starts.emplace(pid, now);
        return {pid, at->second};
    }
    void fork(uint32_t child, uint32_t parent = 1) {
        now += 1000;
        starts.erase(child);
        trail->on(ForkEvent{key(child), key(parent), child + 1000}, now);
    }
    void execute(uint32_t pid, std::vector<std::string> environment = {},
                 const std::string& exe = "/bin/tool") {
        now += 1000;
        ExecEvent event = test::exec(key(pid), exe, {exe}, 0);
        event.cwd = "/ws";
        event.environment = std::move(environment);
        event.host_pid = pid + 1000;
        trail->on(event, now);
    }
    void access(Op op, uint32_t pid, const std::string& path, const std::string& to = "") {
        now += 1000;
        AccessEvent event = test::access(op, path, pid, 0, to);
        event.process = key(pid);
        trail->on(event, now);
    }
    void read(uint32_t pid, const std::string& path) { access(Op::read, pid, path); }
    void write(uint32_t pid, const std::string& path) { access(Op::write, pid, path); }
    void end(uint32_t pid) {
        now += 1000;
        trail->on(ExitEvent{key(pid), 0}, now);
    }
    void signal(const std::string& event, const std::string& task, const std::string& more = "") {
        now += 1000;
        auto parsed = parse_task_signal(R"({"schema":"spoor.task/1","event":")" + event + R"(","taskId":")" +
                                        task + "\"" + (more.empty() ? "" : "," + more) + "}");
        ASSERT_TRUE(parsed) << parsed.error().message;
        trail->on(std::move(*parsed), now, {});
    }
    void start(const std::string& task, uint32_t pid, const std::string& more = "") {
        signal("start", task,
               "\"pid\":" + std::to_string(pid) + R"(,"workspaceRoot":"/ws")" +
                   (more.empty() ? "" : "," + more));
    }
    void finish() { ASSERT_TRUE(trail->finish({}, {})); }

    Json report(const std::string& task) {
        return Json::parse(content(directory.path("trace/tasks/" + task_file_name(task) + ".json")));
    }
    bool reported(const std::string& task) {
        return ::access(directory.path("trace/tasks/" + task_file_name(task) + ".json").c_str(), F_OK) == 0;
    }
    Json session() { return Json::parse(content(directory.path("trace/session.json"))); }
    std::vector<Json> violations() {
        std::vector<Json> all;
        for (const auto& line : lines(content(directory.path("trace/violations.jsonl"))))
            all.push_back(Json::parse(line));
        return all;
    }
    std::map<uint32_t, std::string> tasks_of_processes() {
        std::map<uint32_t, std::string> tasks;
        for (const auto& line : lines(content(directory.path("trace/processes.jsonl")))) {
            Json process = Json::parse(line);
            tasks[process["pid"]] = process["task"];
        }
        return tasks;
    }
    static std::vector<std::string> paths(const Json& entries) {
        std::vector<std::string> all;
        for (const Json& entry : entries)
            all.push_back(entry.is_string() ? entry.get<std::string>() : entry["path"].get<std::string>());
        return all;
    }
    static std::vector<uint32_t> pids(const std::vector<TaskBook::HostProcess>& processes) {
        std::vector<uint32_t> all;
        for (const auto& process : processes) all.push_back(process.process.pid);
        return all;
    }
};

const std::vector<std::string> web_environment = {"NX_TASK_TARGET_PROJECT=web", "NX_TASK_TARGET_TARGET=build",
                                                  "NX_TASK_TARGET_CONFIGURATION=production",
                                                  "NX_WORKSPACE_ROOT=/ws"};

TEST_F(TaskBookTest, BySignalWithAllThatThereIs) {
    begin();
    fork(2);
    start(
        "web:build", 2,
        R"("projectRoot":"apps/web","project":"web","declared":{"inputs":["src","unused.ts"],"outputs":["dist","lost"]})");
    execute(2);
    read(2, "/ws/src/a.ts");
    read(2, "/ws/secret.env");
    read(2, "/usr/lib/libc.so");
    fork(3, 2);
    write(3, "/ws/dist/a.js");
    read(2, "/ws/dist/a.js");
    write(3, "/ws/out.log");
    read(1, "/ws/agents-own");
    signal("status", "web:build", R"("status":"success","code":0)");
    signal("end", "web:build");
    Json made = report("web:build");
    EXPECT_EQ(made["taskId"], "web:build");
    EXPECT_THAT(made["inputs"], ElementsAre("/bin/tool", "/usr/lib/libc.so", "secret.env", "src/a.ts"));
    EXPECT_THAT(made["outputs"], ElementsAre("dist/a.js", "out.log"));
    EXPECT_EQ(paths(made["unexpectedReads"]), std::vector<std::string>{"secret.env"});
    EXPECT_EQ(made["unexpectedReads"][0]["pid"], 2);
    EXPECT_EQ(paths(made["unexpectedWrites"]), std::vector<std::string>{"out.log"});
    EXPECT_THAT(made["expectedInputsNotRead"], ElementsAre("unused.ts"));
    EXPECT_THAT(made["expectedOutputsNotWritten"], ElementsAre("lost"));
    ASSERT_EQ(made["processTree"].size(), 2u);
    EXPECT_EQ(made["processTree"][0]["cmd"], "/bin/tool");
    EXPECT_EQ(made["processTree"][1]["parentPid"], 2);
    const Json& own = made["spoor"];
    EXPECT_EQ(own["complete"], true);
    EXPECT_EQ(own["status"], "success");
    EXPECT_EQ(own["code"], 0);
    EXPECT_EQ(own["ended"], "signal");
    EXPECT_EQ(own["mode"], "warn");
    EXPECT_EQ(own["declaration"]["inputs"], 2);
    EXPECT_EQ(own["excluded"]["reads"], 2);
    EXPECT_EQ(own["hermetic"], true);
    EXPECT_EQ(own["suggestions"]["inputs"][0]["pattern"], "/ws/secret.env");
    EXPECT_EQ(own["suggestions"]["inputs"][0]["project"], "web");
    auto told = violations();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0]["path"], "/ws/secret.env");
    EXPECT_EQ(told[0]["kind"], "read");
    EXPECT_EQ(told[0]["taskId"], "web:build");
    EXPECT_EQ(told[1]["op"], "write");
    EXPECT_EQ(told[1]["pid"], 3);
    finish();
    EXPECT_THAT(paths(report("-")["inputs"]), Contains("/ws/agents-own"));
    EXPECT_THAT(paths(report("-")["outputs"]), Contains("/ws/out.log"));
    EXPECT_EQ(tasks_of_processes(),
              (std::map<uint32_t, std::string>{{1, "-"}, {2, "web:build"}, {3, "web:build"}}));
}

TEST_F(TaskBookTest, ByEnvironmentAlone) {
    begin();
    fork(2);
    read(2, "/ws/before-exec");
    execute(2, web_environment);
    read(2, "/ws/in");
    fork(3, 2);
    execute(3, web_environment);
    read(3, "/ws/in-child");
    fork(4, 3);
    execute(4, {"NX_TASK_TARGET_PROJECT=lib", "NX_TASK_TARGET_TARGET=test"});
    read(4, "/ws/nested");
    for (uint32_t pid : {4u, 3u, 2u}) end(pid);
    finish();
    Json outer = report("web:build:production"), inner = report("lib:test");
    EXPECT_THAT(paths(outer["inputs"]), UnorderedElementsAre("/bin/tool", "before-exec", "in", "in-child"));
    EXPECT_THAT(paths(inner["inputs"]), UnorderedElementsAre("/bin/tool", "nested"));
    EXPECT_EQ(outer["spoor"]["declared"], false);
    EXPECT_EQ(outer["spoor"]["ended"], "container");
    EXPECT_EQ(tasks_of_processes()[4], "lib:test");
}

TEST_F(TaskBookTest, SignalsThatComeSecondsLateGetEverything) {
    begin();
    fork(2);
    execute(2);
    write(2, "/ws/tmp");
    fork(3, 2);
    fork(4, 3);
    end(3);
    read(4, "/ws/tmp");
    read(4, "/ws/deep");
    end(2);
    pass(5000);
    start("t", 2, R"("declared":{"inputs":[]})");
    pass(300);
    // Reads of what it wrote are its own, so the order was kept.
    ASSERT_EQ(violations().size(), 1u);
    EXPECT_EQ(violations()[0]["path"], "/ws/deep");
    signal("end", "t");
    EXPECT_THAT(paths(report("t")["inputs"]), UnorderedElementsAre("/bin/tool", "deep"));
    EXPECT_EQ(report("t")["spoor"]["complete"], true);
    EXPECT_EQ(report("t")["processTree"].size(), 3u);
}

TEST_F(TaskBookTest, WhatWasForgottenIsSaid) {
    options.tasks.unclaimed_max = 10;
    begin();
    fork(2);
    for (int i = 0; i < 20; ++i) read(2, "/ws/" + std::to_string(i));
    start("t", 2);
    signal("end", "t");
    EXPECT_EQ(report("t")["inputs"].size(), 10u);
    EXPECT_EQ(report("t")["spoor"]["complete"], false);
    EXPECT_THAT(report("t")["spoor"]["reasons"][0].get<std::string>(), HasSubstr("came so late"));
}

TEST_F(TaskBookTest, ANestedTasksSignalMayBeALittleLate) {
    begin();
    fork(2);
    start("outer", 2);
    fork(3, 2);
    read(3, "/ws/inner-file");
    pass(50);
    start("inner", 3, R"("parent":"outer")");
    read(2, "/ws/outer-file");
    signal("end", "inner");
    signal("end", "outer");
    EXPECT_THAT(report("inner")["inputs"], ElementsAre("inner-file"));
    EXPECT_THAT(report("outer")["inputs"], ElementsAre("outer-file"));
}

TEST_F(TaskBookTest, AWorkerServesTasksInTurnAndTheKernelForgets) {
    begin();
    fork(2);
    execute(2);
    start("a", 2);
    EXPECT_THAT(trail->take_renewals(), IsEmpty());  // nothing was reported of it for another task
    read(2, "/ws/a");
    signal("end", "a");
    EXPECT_THAT(pids(trail->take_renewals()), ElementsAre(2u));
    read(2, "/ws/b");  // the next task's signal is late
    start("b", 2);
    read(2, "/ws/b2");
    EXPECT_THAT(report("a")["inputs"], ElementsAre("/bin/tool", "a"));
    start("c", 2);  // at once with b
    auto renewed = trail->take_renewals();
    ASSERT_THAT(pids(renewed), ElementsAre(2u));
    EXPECT_EQ(renewed[0].host_pid, 1002u);
    pass(300);
    read(2, "/ws/both");
    signal("end", "b");
    signal("end", "c");
    EXPECT_THAT(report("b")["inputs"], ElementsAre("b", "b2", "both"));
    EXPECT_THAT(report("c")["inputs"], Contains("both"));
    finish();
    EXPECT_EQ(tasks_of_processes()[2], "c");
    EXPECT_THAT(content(directory.path("trace/processes.jsonl")), HasSubstr(R"("tasks":["a","b","c"])"));
}

TEST_F(TaskBookTest, ASignalTakesAWorkerFromTheTaskThatStartedIt) {
    begin();
    fork(2);
    execute(2, web_environment);
    read(2, "/ws/first");
    pass(300);
    start("second", 2);
    EXPECT_THAT(pids(trail->take_renewals()), ElementsAre(2u));
    read(2, "/ws/second");
    fork(3, 2);
    execute(3, web_environment);  // left from the first
    read(3, "/ws/third");
    signal("end", "second");
    finish();
    EXPECT_THAT(paths(report("second")["inputs"]), UnorderedElementsAre("/bin/tool", "second", "third"));
    EXPECT_THAT(paths(report("web:build:production")["inputs"]), UnorderedElementsAre("/bin/tool", "first"));
}

TEST_F(TaskBookTest, WhatIsLeftOfAnEndedTaskDoesNotBeginItAgain) {
    begin();
    fork(2);
    execute(2, web_environment);
    read(2, "/ws/first");
    signal("end", "web:build:production");
    start("second", 2);
    fork(3, 2);
    execute(3, web_environment);
    read(3, "/ws/helper");
    signal("end", "second");
    EXPECT_THAT(paths(report("second")["inputs"]), UnorderedElementsAre("/bin/tool", "helper"));
    EXPECT_THAT(paths(report("web:build:production")["inputs"]), Contains("first"));
    // But another run does.
    fork(4);
    execute(4, web_environment);
    read(4, "/ws/again");
    finish();
    EXPECT_THAT(paths(report("web:build:production")["inputs"]), UnorderedElementsAre("/bin/tool", "again"));
}

TEST_F(TaskBookTest, EventsInAnyOrder) {
    begin();
    signal("inputs", "t", R"("inputs":["src"])");
    fork(2);
    read(2, "/ws/src/a");
    read(2, "/ws/other");
    signal("pid", "t", R"("pid":2)");
    pass(300);
    EXPECT_THAT(violations(), IsEmpty());  // where the workspace is, is not known
    signal("outputs", "t", R"("outputs":["dist"])");
    signal("start", "t", R"("workspaceRoot":"/ws")");
    ASSERT_EQ(violations().size(), 1u);
    EXPECT_EQ(violations()[0]["path"], "/ws/other");
    write(2, "/ws/dist/x");
    write(2, "/ws/x");
    signal("end", "t");
    EXPECT_EQ(paths(report("t")["unexpectedWrites"]), std::vector<std::string>{"x"});
    EXPECT_EQ(report("t")["spoor"]["declaration"]["judgesWrites"], true);
}

TEST_F(TaskBookTest, WhatIsNotDeclaredIsNotJudged) {
    begin();
    fork(2);
    start("t", 2, R"("declared":{"outputs":["dist"]})");
    read(2, "/ws/a");
    write(2, "/ws/b");
    signal("end", "t");
    EXPECT_THAT(report("t")["unexpectedReads"], IsEmpty());
    EXPECT_EQ(paths(report("t")["unexpectedWrites"]), std::vector<std::string>{"b"});
    EXPECT_EQ(report("t")["spoor"]["declaration"]["judgesReads"], false);
}

TEST_F(TaskBookTest, AWorkspaceThatIsNotToldIsWhereTheProcessBegan) {
    begin();
    fork(2);
    execute(2);
    signal("start", "t", R"("pid":2,"declared":{"inputs":["a"]})");
    read(2, "/ws/a");
    signal("end", "t");
    EXPECT_EQ(report("t")["spoor"]["workspaceRoot"], "/ws");
    EXPECT_THAT(paths(report("t")["inputs"]), Contains("a"));
}

TEST_F(TaskBookTest, RenamesAndTemporaries) {
    begin();
    fork(2);
    start("t", 2, R"("declared":{"inputs":["old"],"outputs":["dist"]})");
    write(2, "/ws/dist/a.tmp");
    access(Op::rename, 2, "/ws/dist/a.tmp", "/ws/dist/a");
    write(2, "/ws/scratch");
    access(Op::remove, 2, "/ws/scratch");
    access(Op::rename, 2, "/ws/old/file", "/ws/moved");
    access(Op::rename, 2, "/ws/theirs", "/ws/dist/theirs");
    signal("end", "t");
    Json made = report("t");
    EXPECT_EQ(paths(made["unexpectedReads"]), std::vector<std::string>{"theirs"});
    ASSERT_EQ(paths(made["unexpectedWrites"]), (std::vector<std::string>{"moved", "scratch"}));
    EXPECT_FALSE(made["unexpectedWrites"][0].contains("gone"));
    EXPECT_EQ(made["unexpectedWrites"][1]["gone"], true);
    EXPECT_THAT(made["spoor"]["suggestions"]["outputs"], testing::SizeIs(1));
}

TEST_F(TaskBookTest, ATaskWithoutAnEndEndsWithItsProcesses) {
    begin();
    fork(2);
    start("t", 2);
    read(2, "/ws/a");
    end(2);
    pass(1000);
    EXPECT_FALSE(reported("t"));
    pass(2000);
    pass(2000);
    EXPECT_EQ(report("t")["spoor"]["ended"], "process-tree");
    // More comes: it goes on, with what it had.
    fork(3);
    signal("pid", "t", R"("pid":3)");
    read(3, "/ws/b");
    signal("end", "t", R"("status":"success")");
    EXPECT_THAT(report("t")["inputs"], ElementsAre("a", "b"));
    EXPECT_EQ(report("t")["spoor"]["ended"], "signal");
    signal("outputs", "t", R"("outputs":[])");
    finish();
    EXPECT_THAT(session()["warnings"][0].get<std::string>(), HasSubstr("after its end"));
}

TEST_F(TaskBookTest, TheContainersEndClosesWhatIsOpen) {
    begin();
    fork(2);
    start("t", 2);
    read(2, "/ws/a");
    finish();
    EXPECT_EQ(report("t")["spoor"]["ended"], "container");
    EXPECT_THAT(report("t")["inputs"], ElementsAre("a"));
}

TEST_F(TaskBookTest, StrictKillsTheTasksProcessesAndNobodyElses) {
    begin();
    fork(2);
    fork(5);
    start("ok", 5, R"("mode":"strict","declared":{"inputs":["src"]})");
    start("t", 2, R"("mode":"strict","declared":{"inputs":["src"],"outputs":["dist"]})");
    fork(3, 2);
    read(2, "/ws/src/a");
    write(3, "/ws/dist/a");
    read(3, "/ws/dist/a");
    read(5, "/ws/src/b");
    EXPECT_THAT(trail->take_kills(), IsEmpty());
    read(3, "/ws/secret");
    auto kills = trail->take_kills();
    EXPECT_THAT(pids(kills), UnorderedElementsAre(2u, 3u));
    EXPECT_EQ(kills[0].host_pid, 1000 + kills[0].process.pid);
    ASSERT_EQ(violations().size(), 1u);
    EXPECT_EQ(violations()[0]["mode"], "strict");
    fork(4, 3);  // in the meantime
    EXPECT_THAT(pids(trail->take_kills()), ElementsAre(4u));
    signal("end", "t");
    EXPECT_EQ(report("t")["spoor"]["failedBy"]["path"], "secret");
    EXPECT_EQ(report("t")["spoor"]["failedBy"]["pid"], 3);
    signal("end", "ok");
    EXPECT_FALSE(report("ok")["spoor"].contains("failedBy"));
}

TEST_F(TaskBookTest, StrictHandsOutTablesAndWhoTheyHoldFor) {
    begin();
    fork(2);
    EXPECT_FALSE(trail->wants_refusals());
    start("t", 2, R"("mode":"strict","declared":{"inputs":["src"]})");
    EXPECT_FALSE(trail->wants_refusals()) << "what it writes itself is not known";
    signal("outputs", "t", R"("declared":{"outputs":["dist"]})");
    ASSERT_TRUE(trail->wants_refusals());
    trail->refuse_in_place();
    EXPECT_FALSE(trail->wants_refusals());
    auto tables = trail->take_refusals();
    ASSERT_EQ(tables.size(), 1u);
    EXPECT_THAT(tables[0].table, ElementsAre(1, 1));  // of reads and of writes
    auto assigned = trail->take_assignments();
    ASSERT_EQ(assigned.size(), 1u);
    EXPECT_EQ(assigned[0].process.host_pid, 1002u);
    EXPECT_EQ(assigned[0].task, tables[0].task);

    // A worker that changes hands, and the end of a task.
    signal("start", "w", R"("mode":"warn","workspaceRoot":"/ws")");
    signal("pid", "w", R"("pid":2)");
    assigned = trail->take_assignments();
    ASSERT_FALSE(assigned.empty());
    EXPECT_EQ(assigned.back().task, 0u);
    signal("end", "t");
    tables = trail->take_refusals();
    ASSERT_EQ(tables.size(), 1u);
    EXPECT_TRUE(tables[0].table.empty());
}

TEST_F(TaskBookTest, WhatWasRefusedIsToldAndKillsNobody) {
    begin();
    fork(2);
    start("t", 2, R"("mode":"strict","declared":{"inputs":["src"],"outputs":["dist"]})");
    for (int i = 0; i < 2; ++i) {
        AccessEvent event = test::access(Op::read, "/ws/secret", 2, flag_refused);
        event.error = EACCES;
        event.process = key(2);
        trail->on(event, ++now);
    }
    EXPECT_THAT(trail->take_kills(), IsEmpty());
    ASSERT_EQ(violations().size(), 1u);
    EXPECT_EQ(violations()[0]["refused"], true);
    EXPECT_EQ(violations()[0]["kind"], "read");
    signal("end", "t");
    const Json own = report("t")["spoor"];
    ASSERT_EQ(own["refused"].size(), 1u);
    EXPECT_EQ(own["refused"][0]["path"], "secret");
    EXPECT_EQ(own["failedBy"]["path"], "secret");
    EXPECT_EQ(own["failedBy"]["refused"], true);
    EXPECT_THAT(report("t")["filesRead"], IsEmpty());
}

TEST_F(TaskBookTest, ModesAreBoundedByTheContainers) {
    EXPECT_EQ(TaskBook::mode_for(TaskMode::warn, std::nullopt), TaskMode::warn);
    EXPECT_EQ(TaskBook::mode_for(TaskMode::warn, TaskMode::off), TaskMode::off);
    EXPECT_EQ(TaskBook::mode_for(TaskMode::warn, TaskMode::strict), TaskMode::strict);
    EXPECT_EQ(TaskBook::mode_for(TaskMode::strict, TaskMode::off), TaskMode::strict);
    options.tasks.mode = TaskMode::strict;
    begin();
    fork(2);
    start("t", 2, R"("mode":"off","declared":{"inputs":[]})");
    read(2, "/ws/a");
    EXPECT_THAT(pids(trail->take_kills()), ElementsAre(2u));
    signal("end", "t");
    EXPECT_THAT(report("t")["spoor"]["warnings"][0].get<std::string>(), HasSubstr("strict"));
}

TEST_F(TaskBookTest, ATaskMayNotAskForWhatTheOperatorForbids) {
    options.tasks.modes = {TaskMode::warn, TaskMode::strict};
    begin();
    fork(2);
    start("t", 2, R"("mode":"off","declared":{"inputs":[]})");
    read(2, "/ws/a");
    pass(300);
    ASSERT_EQ(violations().size(), 1u);
    EXPECT_EQ(violations()[0]["mode"], "warn");
    signal("end", "t");
    EXPECT_THAT(report("t")["spoor"]["warnings"][0].get<std::string>(),
                HasSubstr("mode off was asked for, which is not allowed here"));
}

TEST_F(TaskBookTest, OffRecordsNothing) {
    begin();
    fork(2);
    start("t", 2, R"("mode":"off","declared":{"inputs":[]})");
    read(2, "/ws/a");
    pass(300);
    EXPECT_THAT(violations(), IsEmpty());
    signal("end", "t");
    EXPECT_THAT(report("t")["inputs"], IsEmpty());
    EXPECT_EQ(report("t")["spoor"]["complete"], false);
}

TEST_F(TaskBookTest, ConnectionsMakeItNotHermetic) {
    begin();
    fork(9);
    access(Op::bind, 9, "unix:/tmp/daemon.sock");
    fork(2);
    start("t", 2);
    access(Op::bind, 2, "inet:0.0.0.0:8080");
    access(Op::connect, 2, "inet:127.0.0.1:8080");
    access(Op::bind, 2, "unix:/tmp/own");
    access(Op::connect, 2, "unix:/tmp/own");
    access(Op::connect, 2, "unix:/tmp/daemon.sock");
    access(Op::connect, 2, "inet:192.0.2.1:443");
    access(Op::connect, 2, "family:16");
    signal("end", "t");
    Json own = report("t")["spoor"];
    EXPECT_EQ(own["hermetic"], false);
    ASSERT_EQ(own["notHermetic"].size(), 2u);
    EXPECT_THAT(own["notHermetic"][0].get<std::string>(), HasSubstr("served by pid 9 outside the task"));
    EXPECT_THAT(own["notHermetic"][1].get<std::string>(), HasSubstr("192.0.2.1:443"));
}

TEST_F(TaskBookTest, BadPatternsAndUnknownPidsAreWarnings) {
    begin();
    start("t", 77, R"("declared":{"inputs":["bad","a"]})");
    signal("end", "t");
    auto warnings = report("t")["spoor"]["warnings"];
    ASSERT_EQ(warnings.size(), 2u);
    EXPECT_EQ(warnings[0], "bad: no pattern");
    EXPECT_THAT(warnings[1].get<std::string>(), HasSubstr("pid 77"));
    // A later process of that number is another one.
    fork(77);
    read(77, "/ws/x");
    finish();
    EXPECT_EQ(tasks_of_processes()[77], "-");
}

TEST_F(TaskBookTest, NestedNamespacesAreAskedAbout) {
    ProcessKey inner;
    options.tasks.find_nested = [&](uint32_t pid, uint64_t space,
                                    const Attribution& tree) -> std::optional<ProcessKey> {
        EXPECT_EQ(space, 42u);
        size_t living = 0;
        tree.for_each_living([&](ProcessKey, uint32_t) { ++living; });
        EXPECT_GE(living, 2u);
        return pid == 7 ? std::optional(inner) : std::nullopt;
    };
    begin();
    fork(2);
    inner = key(2);
    start("t", 7, R"("pidNamespace":42)");
    start("u", 8, R"("pidNamespace":42)");
    read(2, "/ws/a");
    signal("end", "t");
    signal("end", "u");
    EXPECT_THAT(report("t")["inputs"], ElementsAre("a"));
    EXPECT_THAT(report("u")["spoor"]["warnings"][0].get<std::string>(), HasSubstr("namespace 42"));
}

TEST_F(TaskBookTest, FloodsAreBounded) {
    options.tasks.open_max = 10;
    begin();
    for (int i = 0; i < 100; ++i) signal("inputs", "t" + std::to_string(i), R"("inputs":["a"])");
    for (int i = 0; i < 1000; ++i) signal("end", "t0");
    finish();
    EXPECT_LE(session()["warnings"].size(), 202u);
    EXPECT_THAT(session()["warnings"][0].get<std::string>(), HasSubstr("more than 10 tasks"));
    EXPECT_FALSE(reported("t50"));
}

// Each report is on disk before the next task starts: in memory, that takes seconds instead of a minute.
struct ManyTasks : TaskBookTest {
    ManyTasks() : TaskBookTest("/dev/shm") {}
};

TEST_F(ManyTasks, MemoryFollowsWhatIsOpenAndNotWhatIsDone) {
    begin();
    // Resident pages would tell less: the kernel counts them for each processor, and sums up now and then.
    auto in_use = [] {
        const struct mallinfo2 info = ::mallinfo2();
        return static_cast<int64_t>(info.uordblks + info.hblkhd);
    };
    auto run = [&](int task) {
        uint32_t pid = 10 + static_cast<uint32_t>(task);
        std::string id = "t" + std::to_string(task);
        fork(pid);
        start(id, pid, R"("declared":{"inputs":["src"]})");
        for (int i = 0; i < 20; ++i) read(pid, "/ws/src/" + std::to_string(i));
        signal("end", id);
        end(pid);
        trail->flush();
        if (task != 9'999) std::filesystem::remove(directory.path("trace/tasks/" + id + ".json"));
    };
    for (int task = 0; task < 100; ++task) run(task);
    const int64_t before = in_use();
    for (int task = 100; task < 10'000; ++task) run(task);
    EXPECT_EQ(report("t9999")["inputs"].size(), 20u);
    if (before == 0) GTEST_SKIP() << "this allocator does not tell (a sanitizer's)";
    // The process of each stays in the tree: 8 MiB. Tasks that stay open take 250.
    EXPECT_LT(in_use() - before, 16 * 1024 * 1024);
}

TEST_F(TaskBookTest, AHundredThousandAccessesAreReportedInTime) {
    begin();
    fork(2);
    start("t", 2, R"("declared":{"inputs":["src"],"outputs":["dist"]})");
    for (int i = 0; i < 90'000; ++i)
        read(2, "/ws/src/package-" + std::to_string(i % 500) + "/file-" + std::to_string(i) + ".ts");
    for (int i = 0; i < 10'000; ++i) write(2, "/ws/dist/file-" + std::to_string(i) + ".js");
    pass(300);
    const CpuTime time;
    signal("end", "t");
    const double took_ms = time.ms();
    EXPECT_EQ(report("t")["inputs"].size(), 90'000u);
    std::printf("report of 100,000 accesses: %.0f ms\n", took_ms);
    EXPECT_LT(took_ms, cpu_limit_ms(5'000));  // tests/bench measures
}

}  // namespace
}  // namespace spoor
