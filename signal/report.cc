#include "signal/report.h"

#include <sys/stat.h>

#include <vector>

#include "base/atomic_file.h"
#include "signal/json_text.h"
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

struct NotUtf8 {
    size_t index;
    std::string bytes;
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

std::vector<NotUtf8> append_strings(Stream& out, JsonObject& object, std::string_view key,
                                    AccessSet& accesses, AccessSet::List list) {
    std::vector<NotUtf8> odd;
    Array array(out, object, key);
    accesses.for_each(list, [&](const AccessSet::Entry& entry) {
        if (!append_json_string(array.next(), entry.path))
            odd.push_back({array.count() - 1, std::string(entry.path)});
    });
    array.close();
    return odd;
}

void append_bytes(Stream& out, JsonObject& object, std::string_view key, const std::vector<NotUtf8>& odd) {
    if (odd.empty()) return;
    Array array(out, object, key);
    for (const NotUtf8& name : odd) {
        JsonObject entry(array.next());
        entry.number("index", name.index);
        append_base64(entry.key("bytes") += '"', name.bytes);
        out.text() += '"';
        entry.close();
    }
    array.close();
}

void append_entries(Stream& out, JsonObject& object, std::string_view key, AccessSet& accesses,
                    AccessSet::List list) {
    Array array(out, object, key);
    accesses.for_each(list, [&](const AccessSet::Entry& found) {
        JsonObject entry(array.next());
        entry.name("path", found.path);
        entry.number("pid", found.pid);
        if (list == AccessSet::List::deleted && found.own) entry.boolean("own", true);
        if (list != AccessSet::List::listed && list != AccessSet::List::directories_made && found.directory)
            entry.boolean("directory", true);
        entry.close();
    });
    array.close();
}

void append_extras(Stream& out, JsonObject& object, std::string_view key,
                   const std::vector<AccessSet::Extra>& extras, std::string_view name_key) {
    Array array(out, object, key);
    for (const AccessSet::Extra& extra : extras) {
        JsonObject entry(array.next());
        entry.text("op", name_of(extra.op));
        entry.name(name_key, extra.path);
        entry.number("pid", extra.pid);
        if (extra.error != 0) entry.text("error", errno_name(extra.error));
        entry.close();
    }
    array.close();
}

void append_processes(Stream& out, JsonObject& object, const ProcessTable& processes) {
    Array array(out, object, "processTree");
    for (const TreeEntry& process : processes.tree()) {
        JsonObject entry(array.next());
        entry.number("pid", process.pid);
        entry.text("cmd", *process.command);
        entry.number("parentPid", process.parent_pid);
        entry.number("start", process.start_ns);
        entry.close();
    }
    array.close();
}

void append_renames(Stream& out, JsonObject& object, const AccessSet& accesses) {
    Array array(out, object, "renamed");
    accesses.for_each_rename([&](const AccessSet::Rename& rename) {
        JsonObject entry(array.next());
        entry.name("from", rename.from);
        entry.name("to", rename.to);
        entry.number("pid", rename.pid);
        if (rename.exchange) entry.boolean("exchange", true);
        entry.close();
    });
    array.close();
}

void append_own_part(Stream& out, JsonObject& report, AccessSet& accesses, const ProcessTable& processes,
                     const Session& session, const std::vector<NotUtf8>& inputs,
                     const std::vector<NotUtf8>& outputs) {
    using List = AccessSet::List;
    JsonObject own(report.key("spoor"));
    own.boolean("complete", session.complete());
    Array reasons(out, own, "reasons");
    for (const std::string& reason : session.reasons) append_json_string(reasons.next(), reason);
    reasons.close();
    own.number("lost", session.loss.total());
    own.text("containerId", session.container_id);
    own.text("started", session.started);
    own.text("finished", session.finished);
    own.text("family", session.family);
    JsonObject coverage(own.key("coverage"));
    for_each_coverage(session, [&](std::string_view op, std::string_view how) { coverage.text(op, how); });
    coverage.close();
    own.boolean("declared", false);
    append_entries(out, own, "ownFilesRead", accesses, List::own_read);
    append_entries(out, own, "directoriesMade", accesses, List::directories_made);
    append_entries(out, own, "listed", accesses, List::listed);
    append_entries(out, own, "absent", accesses, List::absent);
    append_entries(out, own, "probed", accesses, List::probed);
    append_entries(out, own, "deleted", accesses, List::deleted);
    append_entries(out, own, "metadataChanged", accesses, List::metadata);
    append_renames(out, own, accesses);
    append_extras(out, own, "connections", accesses.connections(), "address");
    append_extras(out, own, "unreachable", accesses.unreachable(), "path");
    append_bytes(out, own, "inputsBytes", inputs);
    append_bytes(out, own, "outputsBytes", outputs);
    if (accesses.omitted() > 0) own.number("omittedAccesses", accesses.omitted());
    if (processes.tree_omitted() > 0) own.number("omittedProcesses", processes.tree_omitted());
    own.close();
}

}  // namespace

Status write_report(int tasks, const std::string& task_id, AccessSet& accesses, const ProcessTable& processes,
                    const Session& session) {
    using List = AccessSet::List;
    auto file = AtomicFile::create_at(tasks, task_id + ".json", 0644);
    if (!file) return std::move(file).error();
    if (::fchmod(file->fd(), 0644) < 0) return errno_error(task_id + ".json");
    Stream out(*file);
    JsonObject report(out.text());
    report.text("schema", report_schema);
    report.text("taskId", task_id);
    auto inputs = append_strings(out, report, "inputs", accesses, List::inputs);
    auto outputs = append_strings(out, report, "outputs", accesses, List::outputs);
    append_entries(out, report, "filesRead", accesses, List::files_read);
    append_entries(out, report, "filesWritten", accesses, List::files_written);
    // Judged against a declaration; without one there is nothing to say, and `declared` says so.
    for (std::string_view key :
         {"unexpectedReads", "unexpectedWrites", "expectedInputsNotRead", "expectedOutputsNotWritten"})
        report.key(key) += "[]";
    append_processes(out, report, processes);
    append_own_part(out, report, accesses, processes, session, inputs, outputs);
    report.close();
    out.text() += '\n';
    SPOOR_TRY(out.finish());
    return file->commit();
}

}  // namespace spoor
