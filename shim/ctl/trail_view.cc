#include "shim/ctl/trail_view.h"

#include <string.h>

#include <algorithm>

#include "shim/ctl/text.h"
#include "signal/access_set.h"
#include "signal/names.h"

namespace spoor::ctl {
namespace {

// Beyond these a listing is cut and says so: a hostile volume must not take the memory.
constexpr size_t processes_max = 500'000;
constexpr size_t access_set_bytes = 512u << 20;
constexpr size_t report_max = 64u << 20;

std::string exit_text(const ProcessLine& line) {
    if (line.exit_code) return std::to_string(*line.exit_code);
    if (!line.exit_signal) return {};
    const char* abbreviation = ::sigabbrev_np(*line.exit_signal);
    return abbreviation ? "SIG" + std::string(abbreviation) : "signal " + std::to_string(*line.exit_signal);
}

ProcessRow row_of(ProcessLine line) {
    ProcessRow row;
    row.process = line.process;
    row.parent_pid = line.parent.pid;
    for (const std::string& argument : line.argv) row.command += (row.command.empty() ? "" : " ") + argument;
    if (row.command.empty()) row.command = std::move(line.exe);
    if (line.fork_only) row.command.insert(0, "(fork) ");
    row.cwd = std::move(line.cwd);
    row.exit = exit_text(line);
    row.task = std::move(line.task);
    return row;
}

std::string skipped_note(const char* file, size_t lines) {
    return std::string(file) + ": skipped " + counted(lines, "line", "lines") + " that make no sense";
}

void read_processes(const VolumeReader& volume, TrailView& view) {
    size_t bad = 0;
    auto done = volume.each_process([&](std::string_view text) {
        auto line = parse_process_line(text);
        if (line)
            view.processes.push_back(row_of(std::move(*line)));
        else
            ++bad;
        return view.processes.size() < processes_max;
    });
    if (!done && !(done.error().code == ENOENT && !view.session.processes_written))
        view.notes.push_back(done.error().message);
    if (bad) view.notes.push_back(skipped_note("processes.jsonl", bad));
    if (view.processes.size() >= processes_max) view.notes.push_back("processes.jsonl: the rest is left out");
    std::stable_sort(
        view.processes.begin(), view.processes.end(),
        [](const ProcessRow& a, const ProcessRow& b) { return a.process.start_ns < b.process.start_ns; });
}

AccessEvent event_of(const AccessLine& line, Op op) {
    AccessEvent event;
    event.process = line.process;
    event.op = op;
    event.error = line.error.empty() ? 0 : EIO;  // that it failed is all that counts
    event.path = line.path;
    event.to = line.to;
    for (const std::string& flag : line.flags) {
        if (flag == "directory") event.flags |= flag_directory;
        if (flag == "deleted") event.flags |= flag_deleted;
        if (flag == "exchange") event.flags |= flag_exchange;
        if (flag == "unreachable") event.flags |= flag_unreachable;
        if (flag == "memory") event.flags |= flag_memory;
        if (flag == "refused") event.flags |= flag_refused;
    }
    if (op == Op::absent) event.error = ENOENT;
    return event;
}

std::vector<PathRow> rows_of(AccessSet& set, AccessSet::List list) {
    std::vector<PathRow> rows;
    set.for_each(list, [&](const AccessSet::Entry& entry) {
        rows.push_back({std::string(entry.path), entry.pid});
    });
    return rows;
}

void add_up_accesses(const VolumeReader& volume, TrailView& view) {
    AccessSet set(access_set_bytes);
    auto skipped = each_access(volume, view.session, [&](const AccessLine& line) {
        if (auto op = op_named(line.op)) set.add(event_of(line, *op));
        return true;
    });
    if (!skipped) view.notes.push_back(skipped.error().message);
    if (skipped && *skipped) view.notes.push_back(skipped_note("accesses.jsonl", *skipped));
    if (set.omitted())
        view.notes.push_back("too many paths: " + std::to_string(set.omitted()) + " are left out");
    view.inputs = rows_of(set, AccessSet::List::inputs);
    view.outputs = rows_of(set, AccessSet::List::outputs);
    view.absent = rows_of(set, AccessSet::List::absent);
}

Status read_report_of(const VolumeReader& volume, TrailView& view) {
    auto text = volume.report_text(report_max);
    if (!text) return std::move(text).error();
    return read_report(*text, view);
}

}  // namespace

Result<size_t> each_access(const VolumeReader& volume, const Session& session,
                           const std::function<bool(const AccessLine&)>& take) {
    size_t skipped = 0;
    auto done = volume.each_access(session, [&](std::string_view text) {
        auto line = parse_access_line(text);
        if (line) return take(*line);
        ++skipped;
        return true;
    });
    if (!done) return std::move(done).error();
    return skipped;
}

TrailView view_trail(const VolumeReader& volume) {
    TrailView view;
    view.recorder_alive = volume.has_writer();
    auto session = volume.session();
    if (!session) {
        view.notes.push_back(session.error().message);
        return view;
    }
    view.session = std::move(*session);
    view.has_session = true;
    if (view.session.state == SessionState::untraced) return view;
    read_processes(volume, view);
    auto report = read_report_of(volume, view);
    if (report) return view;
    if (report.error().code != ENOENT)
        view.notes.push_back(report.error().message +
                             "; inputs and outputs are added up from accesses.jsonl");
    add_up_accesses(volume, view);
    return view;
}

}  // namespace spoor::ctl
