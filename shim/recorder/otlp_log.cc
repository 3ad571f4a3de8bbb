#include "shim/recorder/otlp_log.h"

#include <utility>

#include "signal/json_text.h"
#include "signal/names.h"

namespace spoor {
namespace {

// {"key":K,"value":{TYPE:V}}, with a comma if one is due.
class Attributes {
public:
    explicit Attributes(std::string& out) : out_(out) { out_ += '['; }
    void text(std::string_view key, std::string_view value) {
        append_json_string(begin(key, "stringValue"), value);
        out_ += "}}";
    }
    void number(std::string_view key, uint64_t value) {
        begin(key, "intValue") += '"' + std::to_string(value) + "\"}}";
    }
    void signed_number(std::string_view key, int value) {
        begin(key, "intValue") += '"' + std::to_string(value) + "\"}}";
    }
    void boolean(std::string_view key, bool value) {
        begin(key, "boolValue") += value ? "true}}" : "false}}";
    }
    void texts(std::string_view key, const std::vector<std::string>& values) {
        begin(key, "arrayValue") += R"({"values":[)";
        for (size_t i = 0; i < values.size(); ++i) {
            out_ += i == 0 ? R"({"stringValue":)" : R"(,{"stringValue":)";
            append_json_string(out_, values[i]);
            out_ += '}';
        }
        out_ += "]}}}";
    }
    void close() { out_ += ']'; }

private:
    std::string& begin(std::string_view key, std::string_view type) {
        out_ += std::exchange(first_, false) ? R"({"key":)" : R"(,{"key":)";
        append_json_string(out_, key);
        out_ += R"(,"value":{")";
        out_ += type;
        return out_ += "\":";
    }

    std::string& out_;
    bool first_ = true;
};

}  // namespace

// One record: from its head to its attributes, which stay open until close().
class OtlpLog::Record {
public:
    Record(OtlpLog& log, uint64_t time_ns, Severity severity, std::string_view event, std::string_view body)
        : log_(log), attributes_(begin(log, time_ns, severity, event, body)) {
        attributes_.text("event.name", event);
        attributes_.text("log.record.uid", log.session_id_ + "-" + std::to_string(++log.number_));
    }
    Attributes* operator->() { return &attributes_; }
    void close() {
        attributes_.close();
        log_.text_ += '}';
        ++log_.records_;
    }

private:
    static std::string& begin(OtlpLog& log, uint64_t time_ns, Severity severity, std::string_view event,
                              std::string_view body) {
        std::string& out = log.text_;
        if (log.records_ > 0) out += ',';
        JsonObject record(out);
        record.text("timeUnixNano", std::to_string(log.clock_.unix_ns(time_ns)));
        record.text("observedTimeUnixNano", std::to_string(log.clock_.unix_ns(boot_time_ns())));
        record.number("severityNumber", static_cast<int>(severity));
        record.text("severityText", severity == Severity::info   ? "INFO"
                                    : severity == Severity::warn ? "WARN"
                                                                 : "ERROR");
        record.text("eventName", event);
        append_json_string(record.key("body") += R"({"stringValue":)", body);
        out += '}';
        return record.key("attributes");
    }

    OtlpLog& log_;
    Attributes attributes_;
};

OtlpLog::OtlpLog(std::string session_id, std::string container_id, std::string image)
    : session_id_(std::move(session_id)), container_id_(std::move(container_id)), image_(std::move(image)) {}

void OtlpLog::violation(const Task& task, const Violation& violation, std::string_view pattern) {
    const bool strict = task.mode == TaskMode::strict;
    const char* kind = violation.write ? "write" : "read";
    Record record(*this, violation.time_ns, strict ? Severity::error : Severity::warn, "spoor.violation",
                  "undeclared " + std::string(kind) + " of " + violation.path + " by task " + *task.id);
    record->text("spoor.task.id", *task.id);
    record->text("spoor.access.kind", kind);
    record->text("spoor.access.op", name_of(violation.op));
    record->text("file.path", violation.path);
    record->number("process.pid", violation.process.pid);
    record->text("spoor.mode", name_of(task.mode));
    record->text("spoor.suggestion", pattern);
    record.close();
}

void OtlpLog::task_end(const Task& task, TaskEnd end, uint64_t end_ns, bool complete) {
    const bool bad = task.violations() > 0 || !complete;
    Record record(*this, end_ns, bad ? Severity::warn : Severity::info, "spoor.task.end",
                  "task " + *task.id + " ended, " + std::to_string(task.violations()) + " violations" +
                      (complete ? "" : ", its report is not complete"));
    record->text("spoor.task.id", *task.id);
    record->text("spoor.task.ended", name_of(end));
    record->number("spoor.task.violations", task.violations());
    record->boolean("spoor.complete", complete);
    record->text("spoor.mode", name_of(task.mode));
    record->number("spoor.task.start_time_unix_nano", clock_.unix_ns(task.opened_ns));
    if (!task.status.empty()) record->text("spoor.task.status", task.status);
    if (task.code) record->signed_number("spoor.task.exit_code", *task.code);
    if (!task.context.project.empty()) record->text("spoor.task.project", task.context.project);
    record.close();
}

void OtlpLog::session_end(const Session& session, uint64_t end_ns) {
    const bool complete = session.complete();
    Record record(
        *this, end_ns, complete ? Severity::info : Severity::warn, "spoor.session.end",
        "the trail of container " + container_id_ + (complete ? " is complete" : " is not complete"));
    record->text("spoor.session.state", name_of(session.state));
    record->boolean("spoor.complete", complete);
    record->texts("spoor.reasons", session.reasons);
    record->number("spoor.lost", session.loss.total());
    record->number("spoor.events", session.counters.events);
    record->number("spoor.processes", session.processes);
    record->number("spoor.accesses", session.accesses);
    record->text("spoor.family", session.family);
    record->number("spoor.recorder.cpu_ms", session.recorder_cpu_ms);
    record->number("spoor.recorder.peak_rss_kib", session.recorder_peak_rss_kib);
    record.close();
}

std::string OtlpLog::take() {
    std::string out = R"({"resourceLogs":[{"resource":{"attributes":)";
    Attributes resource(out);
    resource.text("service.name", "spoor");
    resource.text("service.version", SPOOR_VERSION);
    resource.text("service.instance.id", session_id_);
    resource.text("container.id", container_id_);
    if (!image_.empty()) resource.text("container.image.name", image_);
    resource.close();
    out += R"(},"scopeLogs":[{"scope":{"name":"spoor","version":")" SPOOR_VERSION R"("},"logRecords":[)";
    out += std::exchange(text_, {});
    out += "]}]}]}";
    records_ = 0;
    return out;
}

}  // namespace spoor
