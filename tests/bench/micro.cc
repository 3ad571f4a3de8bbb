// Micro-benchmarks of the recorder's hot paths: ./dev bench micro [--benchmark_filter=…].
// Each item is one event, record, line or path; `items_per_second` is the figure to compare. One
// program on one core, nothing else of a container in it: for what tracing costs a container, see
// the other benchmarks.
#include <benchmark/benchmark.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "shim/recorder/decode.h"
#include "signal/access_set.h"
#include "signal/json_text.h"
#include "signal/trail.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace spoor;

// The `i`th of many files as a JavaScript project has them: packages, a few levels, short names.
std::string file_name(size_t i) {
    return "/workspace/node_modules/package-" + std::to_string(i / 40) + "/dist/part-" +
           std::to_string(i / 10 % 4) + "/module-" + std::to_string(i % 10) + ".js";
}

std::vector<AccessEvent> accesses(size_t count, ProcessKey process, Op op = Op::read) {
    std::vector<AccessEvent> events(count);
    for (size_t i = 0; i < count; ++i) {
        events[i].process = process;
        events[i].op = op;
        events[i].path = file_name(i);
    }
    return events;
}

ExecEvent program(ProcessKey process) {
    ExecEvent event;
    event.process = process;
    event.exe = "/usr/bin/node";
    event.loader = "/lib64/ld-linux-x86-64.so.2";
    event.cwd = "/workspace";
    event.argv = {"node", "/workspace/node_modules/.bin/webpack", "--mode", "production"};
    return event;
}

void per_item(benchmark::State& state, size_t items) {
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(items));
}

// ------------------------------------------------------------------------------------------ decoder

struct CountingSink : EventSink {
    void on(const ForkEvent&, uint64_t) override { ++events; }
    void on(const ExecEvent&, uint64_t) override { ++events; }
    void on(const ExitEvent&, uint64_t) override { ++events; }
    void on(const AccessEvent& event, uint64_t) override { events += !event.path.empty(); }
    void on_end(uint64_t) override {}
    uint64_t events = 0;
};

std::vector<std::byte> record(uint8_t type, uint8_t op, std::string_view base, std::string_view name = {}) {
    spoor_event head{};
    head.size = static_cast<uint32_t>(sizeof head + base.size() + name.size());
    head.type = type;
    head.op = op;
    head.time_ns = 1000;
    head.start_ns = 500;
    head.pid = 7;
    head.host_tid = 4321;
    head.base_len = static_cast<uint16_t>(base.size());
    head.name_len = static_cast<uint16_t>(name.size());
    std::vector<std::byte> bytes(head.size);
    std::memcpy(bytes.data(), &head, sizeof head);
    std::memcpy(bytes.data() + sizeof head, base.data(), base.size());
    if (!name.empty()) std::memcpy(bytes.data() + sizeof head + base.size(), name.data(), name.size());
    return bytes;
}

void decode(benchmark::State& state, const std::vector<std::vector<std::byte>>& records) {
    CountingSink sink;
    Decoder decoder(sink);
    for (auto step : state) {
        (void)step;
        for (const auto& one : records) decoder.decode(one);
    }
    if (sink.events != static_cast<uint64_t>(state.iterations()) || decoder.anomalies().total() != 0)
        state.SkipWithError("the records were not understood");
    per_item(state, 1);
}

void decode_resolved_access(benchmark::State& state) {
    decode(state, {record(SPOOR_EV_ACCESS, SPOOR_OP_READ, file_name(4711))});
}
BENCHMARK(decode_resolved_access);

void decode_lexical_access(benchmark::State& state) {
    decode(state, {record(SPOOR_EV_ACCESS, SPOOR_OP_ABSENT, "/workspace/node_modules/package-1/dist",
                          "../../package-2/./dist/index.mjs")});
}
BENCHMARK(decode_lexical_access);

void decode_rename(benchmark::State& state) {
    decode(state, {record(SPOOR_EV_AUX, SPOOR_AUX_TO, "/workspace/dist", "main.js"),
                   record(SPOOR_EV_ACCESS, SPOOR_OP_RENAME, "/workspace/dist", ".main.js.tmp")});
}
BENCHMARK(decode_rename);

void decode_exec(benchmark::State& state) {
    using namespace std::string_view_literals;
    decode(state, {record(SPOOR_EV_AUX, SPOOR_AUX_CWD, "/workspace"),
                   record(SPOOR_EV_AUX, SPOOR_AUX_ARGV, {}, "node\0webpack\0--mode\0production\0"sv),
                   record(SPOOR_EV_AUX, SPOOR_AUX_LOADER, "/lib64/ld-linux-x86-64.so.2"),
                   record(SPOOR_EV_EXEC, 0, "/usr/bin/node")});
}
BENCHMARK(decode_exec);

// --------------------------------------------------------------------------------------- access set

void access_set_new_paths(benchmark::State& state) {
    const auto events = accesses(static_cast<size_t>(state.range(0)), {1, 1});
    for (auto step : state) {
        (void)step;
        AccessSet set(64u << 20);
        for (const auto& event : events) set.add(event);
        if (set.omitted() != 0) state.SkipWithError("the paths did not fit");
        state.counters["bytes_a_path"] =
            static_cast<double>(set.memory()) / static_cast<double>(events.size());
    }
    per_item(state, events.size());
}
BENCHMARK(access_set_new_paths)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

void access_set_known_paths(benchmark::State& state) {
    const auto events = accesses(static_cast<size_t>(state.range(0)), {1, 1});
    AccessSet set(64u << 20);
    for (const auto& event : events) set.add(event);
    for (auto step : state) {
        (void)step;
        for (const auto& event : events) set.add(event);
    }
    per_item(state, events.size());
}
BENCHMARK(access_set_known_paths)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// -------------------------------------------------------------------------------------------- lines

void json_names(benchmark::State& state, const std::string& name) {
    std::string out;
    for (auto step : state) {
        (void)step;
        out.clear();
        JsonObject object(out);
        object.name("path", name);
        object.close();
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(name.size()));
}
BENCHMARK_CAPTURE(json_names, ascii, file_name(4711));
BENCHMARK_CAPTURE(json_names, utf8,
                  "/workspace/Gr\xc3\xb6\xc3\x9f"
                  "e/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.txt");
BENCHMARK_CAPTURE(json_names, no_utf8, std::string("/workspace/caf\xe9/latin-1.txt"));

// -------------------------------------------------------------------------------------------- trail

std::optional<Trail> trail_in(const test::TempDir& directory, benchmark::State& state) {
    auto volume = Volume::open(directory.path());
    if (!volume) {
        state.SkipWithError(volume.error().message.c_str());
        return std::nullopt;
    }
    Session facts;
    facts.container_id = "micro";
    facts.family = "none";
    std::optional<Trail> trail(std::in_place, std::move(*volume), std::move(facts));
    if (auto begun = trail->begin(); !begun) {
        state.SkipWithError(begun.error().message.c_str());
        return std::nullopt;
    }
    return trail;
}

// From event to line, in the set and in the file.
void trail_accesses(benchmark::State& state) {
    const test::TempDir directory;
    const ProcessKey process{1, boot_time_ns()};
    const auto events = accesses(10'000, process);
    for (auto step : state) {
        (void)step;
        state.PauseTiming();
        auto trail = trail_in(directory, state);
        if (!trail) return;
        trail->on(program(process), process.start_ns);
        state.ResumeTiming();
        for (const auto& event : events) trail->on(event, process.start_ns + 1);
        trail->flush();
        state.PauseTiming();
        trail.reset();
        state.ResumeTiming();
    }
    per_item(state, events.size());
}
BENCHMARK(trail_accesses)->Unit(benchmark::kMillisecond);

// fork, exec, exit: one line in processes.jsonl.
void trail_processes(benchmark::State& state) {
    constexpr uint32_t count = 1'000;
    const test::TempDir directory;
    for (auto step : state) {
        (void)step;
        state.PauseTiming();
        auto trail = trail_in(directory, state);
        if (!trail) return;
        const ProcessKey init{1, boot_time_ns()};
        trail->on(program(init), init.start_ns);
        state.ResumeTiming();
        for (uint32_t i = 0; i < count; ++i) {
            const ProcessKey child{2 + i, init.start_ns + 1 + i};
            trail->on(ForkEvent{child, init}, child.start_ns);
            trail->on(program(child), child.start_ns + 1);
            trail->on(ExitEvent{child, 0}, child.start_ns + 2);
        }
        trail->flush();
        state.PauseTiming();
        trail.reset();
        state.ResumeTiming();
    }
    per_item(state, count);
}
BENCHMARK(trail_processes)->Unit(benchmark::kMillisecond);

// From the end of a container that read so many files (and wrote a tenth as many) to its report and
// the final session.json, both on disk.
void trail_report(benchmark::State& state) {
    const test::TempDir directory;
    const ProcessKey process{1, boot_time_ns()};
    auto read = accesses(static_cast<size_t>(state.range(0)), process);
    auto written = accesses(read.size() / 10, process, Op::create);
    for (auto& event : written) event.path += ".map";
    for (auto step : state) {
        (void)step;
        state.PauseTiming();
        auto trail = trail_in(directory, state);
        if (!trail) return;
        trail->on(program(process), process.start_ns);
        for (const auto* events : {&read, &written})
            for (const auto& event : *events) trail->on(event, process.start_ns + 1);
        trail->flush();
        state.ResumeTiming();
        if (auto finished = trail->finish({}, {}); !finished)
            state.SkipWithError(finished.error().message.c_str());
        state.PauseTiming();
        trail.reset();
        state.ResumeTiming();
    }
    per_item(state, read.size() + written.size());
}
BENCHMARK(trail_report)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
