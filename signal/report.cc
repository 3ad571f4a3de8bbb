#include "signal/report.h"

#include <sys/stat.h>

#include <vector>

#include "base/atomic_file.h"
#include "signal/json_text.h"
#include "signal/judged.h"
#include "signal/names.h"
#include "signal/session_text.h"

namespace spoor {
namespace {

// Buffers text and writes it out in pieces; the first failure sticks.
class Stream {
public:
    explicit Stream(AtomicFile& file) : file_(file) {}
    std::string& text() { return text_; }
    void breathe() {
        if (text_.size() >= 64 * 1024) drain();
    }
    Status finish() {
        drain();
        return std::move(status_);
    }

private:
    void drain() {
        if (status_) status_ = file_.write(text_);
        text_.clear();
    }
    AtomicFile& file_;
    std::string text_;
    Status status_;
};

// Members of an array, each on a line of its own.
class Array {
public:
    Array(Stream& out, JsonObject& object, std::string_view key) : out_(out) { object.key(key) += '['; }
    std::string& next() {
        out_.breathe();
        out_.text() += count_++ == 0 ? "\n" : ",\n";
        return out_.text();
    }
    [[nodiscard]] size_t count() const { return count_; }
    void close() { out_.text() += ']'; }

private:
    Stream& out_;
    size_t count_ = 0;
};

// What the report is about. Only a task of an agent's has a `task`.
struct Subject {
    const std::string& id;
    AccessSet& accesses;
    std::vector<TreeEntry> processes;
    uint64_t processes_omitted = 0;
    std::string_view root;  // paths beneath it are shown relative to it; empty: none
    std::string started, finished;
    const Task* task = nullptr;
    TaskEnd end = TaskEnd::container;
    Judged judged;

    [[nodiscard]] std::string_view shown(std::string_view path) const {
        if (root.empty() || !path.starts_with(root)) return path;
        if (path.size() == root.size()) return ".";
        return path[root.size()] == '/' ? path.substr(root.size() + 1) : path;
    }
};

// A list of plain strings. Those that are not UTF-8 come back whole, with their place in it.
class Strings {
public:
    Strings(Stream& out, JsonObject& object, std::string_view key) : array_(out, object, key) {}
    void add(std::string_view text) {
        if (!append_json_string(array_.next(), text)) odd_.push_back({array_.count() - 1, std::string(text)});
    }
    void close() { array_.close(); }

    // `key` is a name with "Bytes" at its end, in another object.
    void append_odd(Stream& out, JsonObject& object, std::string_view key) const {
        if (odd_.empty()) return;
        Array array(out, object, key);
        for (const auto& [index, bytes] : odd_) {
            JsonObject entry(array.next());
            entry.number("index", index);
            append_base64(entry.key("bytes") += '"', bytes);
            out.text() += '"';
            entry.close();
        }
        array.close();
    }

private:
    Array array_;
    std::vector<std::pair<size_t, std::string>> odd_;
};

void append_texts(Stream& out, JsonObject& object, std::string_view key,
                  const std::vector<std::string>& texts) {
    Array array(out, object, key);
    for (const std::string& text : texts) append_json_string(array.next(), text);
    array.close();
}

Strings append_paths(Stream& out, JsonObject& object, std::string_view key, const Subject& subject,
                     AccessSet::List list) {
    Strings strings(out, object, key);
    subject.accesses.for_each(list,
                              [&](const AccessSet::Entry& entry) { strings.add(subject.shown(entry.path)); });
    strings.close();
    return strings;
}

Strings append_paths(Stream& out, JsonObject& object, std::string_view key, const Subject& subject,
                     const std::vector<std::string>& paths) {
    Strings strings(out, object, key);
    for (const std::string& path : paths) strings.add(subject.shown(path));
    strings.close();
    return strings;
}

void append_entries(Stream& out, JsonObject& object, std::string_view key, const Subject& subject,
                    AccessSet::List list) {
    Array array(out, object, key);
    subject.accesses.for_each(list, [&](const AccessSet::Entry& found) {
        JsonObject entry(array.next());
        entry.name("path", subject.shown(found.path));
        entry.number("pid", found.pid);
        if (list == AccessSet::List::deleted && found.own) entry.boolean("own", true);
        if (list != AccessSet::List::listed && list != AccessSet::List::directories_made && found.directory)
            entry.boolean("directory", true);
        entry.close();
    });
    array.close();
}

void append_unexpected(Stream& out, JsonObject& object, std::string_view key, const Subject& subject,
                       const std::vector<Judged::Unexpected>& paths) {
    Array array(out, object, key);
    for (const Judged::Unexpected& path : paths) {
        JsonObject entry(array.next());
        entry.name("path", subject.shown(path.path));
        entry.number("pid", path.pid);
        if (path.gone) entry.boolean("gone", true);
        entry.close();
    }
    array.close();
}

void append_extras(Stream& out, JsonObject& object, std::string_view key, const Subject& subject,
                   const std::vector<AccessSet::Extra>& extras, std::string_view name_key) {
    Array array(out, object, key);
    for (const AccessSet::Extra& extra : extras) {
        JsonObject entry(array.next());
        entry.text("op", name_of(extra.op));
        entry.name(name_key, subject.shown(extra.path));
        entry.number("pid", extra.pid);
        if (extra.error != 0) entry.text("error", errno_name(extra.error));
        entry.close();
    }
    array.close();
}

void append_processes(Stream& out, JsonObject& object, const Subject& subject) {
    Array array(out, object, "processTree");
    for (const TreeEntry& process : subject.processes) {
        JsonObject entry(array.next());
        entry.number("pid", process.pid);
        entry.text("cmd", *process.command);
        entry.number("parentPid", process.parent_pid);
        entry.number("start", process.start_ns);
        entry.close();
    }
    array.close();
}

void append_renames(Stream& out, JsonObject& object, const Subject& subject) {
    Array array(out, object, "renamed");
    subject.accesses.for_each_rename([&](const AccessSet::Rename& rename) {
        JsonObject entry(array.next());
        entry.name("from", subject.shown(rename.from));
        entry.name("to", subject.shown(rename.to));
        entry.number("pid", rename.pid);
        if (rename.exchange) entry.boolean("exchange", true);
        entry.close();
    });
    array.close();
}

void append_suggestions(Stream& out, JsonObject& object, const TaskSuggestions& suggestions) {
    JsonObject all(object.key("suggestions"));
    auto append = [&](std::string_view key, const std::vector<TaskSuggestion>& list) {
        Array array(out, all, key);
        for (const TaskSuggestion& suggestion : list) {
            JsonObject entry(array.next());
            entry.name("pattern", suggestion.pattern);
            if (!suggestion.project.empty()) {
                entry.text("project", suggestion.project);
                entry.name("projectRoot", suggestion.project_root);
            }
            entry.number("files", suggestion.files);
            entry.close();
        }
        array.close();
    };
    append("inputs", suggestions.inputs);
    append("outputs", suggestions.outputs);
    if (!suggestions.project_json.empty()) all.text("projectJson", suggestions.project_json);
    all.close();
}

// What only an agent's task has.
void append_task_part(Stream& out, JsonObject& own, const Subject& subject, const Task& task) {
    own.text("mode", name_of(task.mode));
    own.text("ended", name_of(subject.end));
    if (!task.status.empty()) own.text("status", task.status);
    if (task.code) own.number("code", *task.code);
    own.name("workspaceRoot", task.context.workspace_root);
    if (!task.context.project_root.empty()) own.name("projectRoot", task.context.project_root);
    if (!task.context.project.empty()) own.text("project", task.context.project);
    if (!task.parent.empty()) own.text("parent", task.parent);
    JsonObject declaration(own.key("declaration"));
    declaration.number("inputs", task.declared().inputs);
    declaration.number("outputs", task.declared().outputs);
    declaration.number("dependenciesOutputs", task.declared().dependencies_outputs);
    declaration.boolean("judgesReads", task.judges_reads());
    declaration.boolean("judgesWrites", task.judges_writes());
    declaration.close();
    JsonObject excluded(own.key("excluded"));
    excluded.number("reads", subject.judged.excluded_reads);
    excluded.number("writes", subject.judged.excluded_writes);
    excluded.close();
    const auto tell = [&subject](JsonObject& to, const Violation& violation) {
        to.text("op", name_of(violation.op));
        to.name("path", subject.shown(violation.path));
        to.number("pid", violation.process.pid);
    };
    if (const Violation* first = task.failed_by()) {
        JsonObject failed(own.key("failedBy"));
        tell(failed, *first);
        if (first->refused) failed.boolean("refused", true);
        failed.close();
    }
    if (!task.refused.empty()) {
        Array array(out, own, "refused");
        for (const Violation& violation : task.refused) {
            JsonObject entry(array.next());
            tell(entry, violation);
            entry.close();
        }
        array.close();
    }
    append_suggestions(out, own, subject.judged.suggestions);
    own.boolean("hermetic", subject.judged.not_hermetic.empty());
    append_texts(out, own, "notHermetic", subject.judged.not_hermetic);
    append_texts(out, own, "warnings", task.warnings);
}

void append_own_part(Stream& out, JsonObject& report, const Subject& subject, const Session& session,
                     const std::vector<std::pair<std::string_view, const Strings*>>& strings) {
    using List = AccessSet::List;
    const AccessSet& accesses = subject.accesses;
    const std::vector<std::string> reasons =
        subject.task == nullptr ? session.reasons : report_reasons(*subject.task, session);
    JsonObject own(report.key("spoor"));
    // A session that is still going on is not complete; a task in it can be.
    own.boolean("complete",
                subject.task == nullptr ? session.complete() : session.loss.total() == 0 && reasons.empty());
    append_texts(out, own, "reasons", reasons);
    own.number("lost", session.loss.total());
    own.text("containerId", session.container_id);
    own.text("started", subject.started);
    own.text("finished", subject.finished);
    own.text("family", session.family);
    JsonObject coverage(own.key("coverage"));
    for_each_coverage(session, [&](std::string_view op, std::string_view how) { coverage.text(op, how); });
    coverage.close();
    own.boolean("declared", subject.task != nullptr && subject.task->anything_declared());
    if (subject.task != nullptr) append_task_part(out, own, subject, *subject.task);
    append_entries(out, own, "ownFilesRead", subject, List::own_read);
    append_entries(out, own, "directoriesMade", subject, List::directories_made);
    append_entries(out, own, "listed", subject, List::listed);
    append_entries(out, own, "absent", subject, List::absent);
    append_entries(out, own, "probed", subject, List::probed);
    append_entries(out, own, "deleted", subject, List::deleted);
    append_entries(out, own, "metadataChanged", subject, List::metadata);
    append_renames(out, own, subject);
    append_extras(out, own, "connections", subject, accesses.connections(), "address");
    append_extras(out, own, "unreachable", subject, accesses.unreachable(), "path");
    for (const auto& [key, list] : strings) list->append_odd(out, own, key);
    if (accesses.omitted() > 0) own.number("omittedAccesses", accesses.omitted());
    if (subject.processes_omitted > 0) own.number("omittedProcesses", subject.processes_omitted);
    own.close();
}

Result<AtomicFile> make_report(int tasks, const std::string& name, const Subject& subject,
                               const Session& session) {
    using List = AccessSet::List;
    auto file = AtomicFile::create_at(tasks, name + ".json", 0644);
    if (!file) return std::move(file).error();
    if (::fchmod(file->fd(), 0644) < 0) return errno_error(name + ".json");
    Stream out(*file);
    JsonObject report(out.text());
    report.text("schema", report_schema);
    report.text("taskId", subject.id);
    auto inputs = append_paths(out, report, "inputs", subject, List::inputs);
    auto outputs = append_paths(out, report, "outputs", subject, List::outputs);
    append_entries(out, report, "filesRead", subject, List::files_read);
    append_entries(out, report, "filesWritten", subject, List::files_written);
    // Without a declaration there is nothing to say, and `declared` says so.
    append_unexpected(out, report, "unexpectedReads", subject, subject.judged.reads);
    append_unexpected(out, report, "unexpectedWrites", subject, subject.judged.writes);
    auto not_read =
        append_paths(out, report, "expectedInputsNotRead", subject, subject.judged.inputs_not_read);
    auto not_written =
        append_paths(out, report, "expectedOutputsNotWritten", subject, subject.judged.outputs_not_written);
    append_processes(out, report, subject);
    append_own_part(out, report, subject, session,
                    {{"inputsBytes", &inputs},
                     {"outputsBytes", &outputs},
                     {"expectedInputsNotReadBytes", &not_read},
                     {"expectedOutputsNotWrittenBytes", &not_written}});
    report.close();
    out.text() += '\n';
    SPOOR_TRY(out.finish());
    return file;
}

}  // namespace

std::vector<std::string> report_reasons(const Task& task, const Session& session) {
    std::vector<std::string> reasons = session.reasons;
    reasons.insert(reasons.end(), task.reasons.begin(), task.reasons.end());
    if (task.mode == TaskMode::off) reasons.emplace_back("mode off: its accesses were not recorded");
    if (uint64_t count = task.accesses.omitted(); count > 0)
        reasons.push_back("the report leaves out " + std::to_string(count) +
                          " accesses: more paths than it has memory for");
    return reasons;
}

Status write_report(int tasks, AccessSet& accesses, const ProcessTable& processes, const Session& session) {
    const std::string id = container_task;
    Subject subject{.id = id,
                    .accesses = accesses,
                    .processes = processes.tree(),
                    .processes_omitted = processes.tree_omitted(),
                    .root = {},
                    .started = session.started,
                    .finished = session.finished,
                    .task = nullptr,
                    .end = TaskEnd::container,
                    .judged = {}};
    auto file = make_report(tasks, id, subject, session);
    if (!file) return std::move(file).error();
    return file->commit();
}

Result<UniqueFd> write_task_report(int tasks, Task& task, TaskEnd end, const std::string& started,
                                   const std::string& finished, const AccessSet& container,
                                   ProcessTable& processes, const Session& session) {
    std::string_view root = task.context.workspace_root;
    while (root.ends_with('/')) root.remove_suffix(1);
    Subject subject{.id = *task.id,
                    .accesses = task.accesses,
                    .processes = processes.tree_of(task.members),
                    .processes_omitted = 0,
                    .root = root,
                    .started = started,
                    .finished = finished,
                    .task = &task,
                    .end = end,
                    .judged = judge(task, container)};
    auto file = make_report(tasks, task_file_name(*task.id), subject, session);
    if (!file) return std::move(file).error();
    return file->publish();
}

}  // namespace spoor
