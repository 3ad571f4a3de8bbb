// Tasks: what judging costs an access, and how long a task's report takes after its end (the promise is
// 200 ms for 100,000 accesses).
#include <benchmark/benchmark.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "signal/declared_judge.h"
#include "signal/trail.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace spoor;

constexpr uint32_t pid = 7;

// A workspace of packages; every `undeclared`th file lies where nothing is declared.
std::string file_name(size_t i, size_t undeclared) {
    const bool planted = undeclared != 0 && i % undeclared == 0;
    return "/ws/" + std::string(planted ? "hidden" : "packages") + "/p" + std::to_string(i / 100) +
           "/src/part-" + std::to_string(i / 10 % 10) + "/file-" + std::to_string(i % 10) + ".ts";
}

TaskSignal started(size_t patterns) {
    TaskSignal signal;
    signal.event = TaskEvent::start;
    signal.task_id = "web:build";
    signal.pid = pid;
    signal.workspace_root = "/ws";
    signal.project_root = "packages/p0";
    signal.project = "web";
    signal.declared.inputs.emplace();
    for (size_t i = 0; i < patterns; ++i)
        signal.declared.inputs->push_back("packages/p" + std::to_string(i) + "/src/**/*.ts");
    signal.declared.outputs = {"dist"};
    return signal;
}

std::optional<Trail> trail_with_task(const test::TempDir& directory, ProcessKey process, size_t patterns,
                                     benchmark::State& state) {
    auto volume = Volume::open(directory.path());
    if (!volume) {
        state.SkipWithError(volume.error().message.c_str());
        return std::nullopt;
    }
    TrailOptions options;
    options.tasks.make_judge = declared_judge({});
    options.access_set_bytes = 256u << 20;
    std::optional<Trail> trail(std::in_place, std::move(*volume), Session{}, std::move(options));
    if (auto begun = trail->begin(); !begun) {
        state.SkipWithError(begun.error().message.c_str());
        return std::nullopt;
    }
    ExecEvent program;
    program.process = process;
    program.exe = "/usr/bin/node";
    program.cwd = "/ws";
    program.argv = {"node"};
    trail->on(program, process.start_ns);
    trail->on(started(patterns), process.start_ns + 1, {});
    return trail;
}

void put_accesses(Trail& trail, ProcessKey process, size_t count, size_t undeclared) {
    AccessEvent event;
    event.process = process;
    event.op = Op::read;
    for (size_t i = 0; i < count; ++i) {
        event.path = file_name(i, undeclared);
        trail.on(event, process.start_ns + 2 + i);
    }
}

// From event to verdict.
void task_accesses(benchmark::State& state) {
    const test::TempDir directory;
    constexpr size_t count = 100'000;
    for (auto step : state) {
        (void)step;
        state.PauseTiming();
        const ProcessKey process{pid, boot_time_ns()};
        auto trail = trail_with_task(directory, process, 1'000, state);
        if (!trail) return;
        state.ResumeTiming();
        put_accesses(*trail, process, count, 0);
        trail->tick(UINT64_MAX / 2, {});
        state.PauseTiming();
        trail.reset();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(count));
}
BENCHMARK(task_accesses)->Unit(benchmark::kMillisecond);

// From a task's end to its report on disk. Arguments: accesses, patterns, every nth file is undeclared.
void task_end(benchmark::State& state) {
    const test::TempDir directory;
    const auto count = static_cast<size_t>(state.range(0));
    for (auto step : state) {
        (void)step;
        state.PauseTiming();
        const ProcessKey process{pid, boot_time_ns()};
        auto trail = trail_with_task(directory, process, static_cast<size_t>(state.range(1)), state);
        if (!trail) return;
        put_accesses(*trail, process, count, static_cast<size_t>(state.range(2)));
        trail->tick(UINT64_MAX / 2, {});
        TaskSignal end;
        end.event = TaskEvent::end;
        end.task_id = "web:build";
        state.ResumeTiming();
        trail->on(std::move(end), boot_time_ns(), {});
        state.PauseTiming();
        if (::access((directory.path() + "/trace/tasks/web:build.json").c_str(), F_OK) < 0)
            state.SkipWithError("there is no report");
        trail.reset();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(count));
}
BENCHMARK(task_end)
    ->Args({1'000, 10, 0})
    ->Args({100'000, 1'000, 0})
    ->Args({100'000, 1'000, 100})
    ->Args({100'000, 1'000, 5})
    ->Unit(benchmark::kMillisecond);

}  // namespace
