// Log records for an OpenTelemetry collector: the JSON encoding of an ExportLogsServiceRequest (OTLP 1.x:
// 64-bit numbers as strings, enums as numbers), collected in a batch. docs/delivery.md lists the events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "signal/session.h"
#include "signal/task.h"

namespace spoor {

class OtlpLog {
public:
    // `session_id`: of this recorder, unique in the world; records are numbered under it.
    OtlpLog(std::string session_id, std::string container_id, std::string image);

    void violation(const Task& task, const Violation& violation, std::string_view pattern);
    void task_end(const Task& task, TaskEnd end, uint64_t end_ns, bool complete);
    void session_end(const Session& session, uint64_t end_ns);

    [[nodiscard]] size_t records() const { return records_; }
    [[nodiscard]] size_t bytes() const { return text_.size(); }
    // The request with all records since the last call, and an empty batch.
    std::string take();

private:
    enum class Severity { info = 9, warn = 13, error = 17 };
    class Record;

    WallClock clock_;
    std::string session_id_, container_id_, image_;
    std::string text_;  // records, comma between them
    size_t records_ = 0;
    uint64_t number_ = 0;
};

}  // namespace spoor
