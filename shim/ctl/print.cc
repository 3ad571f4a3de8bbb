#include "shim/ctl/print.h"

#include <algorithm>

#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

bool is_beneath(std::string_view path, std::string_view directory) {
    if (directory.empty()) return false;
    return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string path_table(const char* title, std::vector<PathRow> rows, std::string_view first,
                       const Style& style) {
    std::stable_partition(rows.begin(), rows.end(),
                          [&](const PathRow& row) { return is_beneath(row.path, first); });
    Table table(title, {{"PID", Align::right}, {"PATH", Align::left, true}});
    for (auto& row : rows) table.add({row.pid ? std::to_string(row.pid) : "", std::move(row.path)});
    return table.text(style);
}

std::string process_table(const std::vector<ProcessRow>& rows, const Style& style) {
    bool with_task = std::any_of(rows.begin(), rows.end(),
                                 [](const ProcessRow& row) { return !row.task.empty() && row.task != "-"; });
    std::vector<Column> columns = {{"PID", Align::right}, {"PPID", Align::right}, {"EXIT"}};
    if (with_task) columns.push_back({"TASK"});
    columns.push_back({"COMMAND", Align::left, true});
    Table table("processes", std::move(columns));
    for (const auto& row : rows) {
        std::vector<std::string> cells = {std::to_string(row.process.pid), std::to_string(row.parent_pid),
                                          row.exit};
        if (with_task) cells.push_back(row.task);
        cells.push_back(row.command);
        table.add(std::move(cells));
    }
    return table.text(style);
}

std::string listed(const std::vector<std::string>& lines, std::string_view bullet) {
    std::string out;
    for (const auto& line : lines) out += "  " + std::string(bullet) + printable(line) + "\n";
    return out;
}

}  // namespace

std::string verdict(const TrailView& trail, const Style& style) {
    auto head = [&](std::string_view text, Paint paint) { return painted(text, paint, style) + "\n"; };
    if (!trail.has_session)
        return head("no trail: the container left no readable session.json", Paint::red) +
               listed(trail.notes, "");
    const Session& session = trail.session;
    std::string out;
    switch (session.state) {
        case SessionState::untraced:
            out = head("NOT TRACED: the container ran without tracing", Paint::red);
            break;
        case SessionState::tracing:
            out = trail.recorder_alive
                      ? head("still running: the trail so far", Paint::yellow)
                      : head("NOT COMPLETE: the recorder ended before the container", Paint::red);
            break;
        case SessionState::degraded:
            out = head("NOT COMPLETE: tracing ended before the container", Paint::red);
            break;
        case SessionState::finished:
            out = session.complete() ? head("complete: nothing was lost", Paint::green)
                                     : head("NOT COMPLETE", Paint::red);
            break;
    }
    out += listed(session.reasons, "");
    if (session.loss.total())
        out += "  " + counted(session.loss.total(), "record was", "records were") + " lost\n";
    out += listed(session.warnings, "warning: ");
    return out + listed(trail.notes, "note: ");
}

std::string trail_text(const TrailView& trail, const Sections& sections, std::string_view first,
                       const Style& style) {
    std::string out = verdict(trail, style);
    if (!trail.has_session || trail.session.state == SessionState::untraced) return out;
    if (trail.session.state == SessionState::finished && trail.processes.empty() && trail.inputs.empty())
        return out + "  no program ran in the container\n";
    if (sections.processes) out += "\n" + process_table(trail.processes, style);
    if (sections.inputs) out += "\n" + path_table("inputs", trail.inputs, first, style);
    if (sections.outputs) out += "\n" + path_table("outputs", trail.outputs, first, style);
    if (sections.absent)
        out += "\n" + path_table("absent: looked for and not there", trail.absent, first, style);
    return out;
}

}  // namespace spoor::ctl
