// A task's report (schema spoor.report/1) as a model, for the formats that `spoorctl report` writes,
// and these formats. A report may have been written by anybody: whatever is not as the schema says is
// an error that names the place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor::ctl {

// Paths are bytes, relative to the task's workspace or absolute; without NUL and never empty.
struct ReportEntry {
    std::string path;
    uint32_t pid = 0;  // the first that did it
    bool directory = false;
};

struct ReportProcess {
    uint32_t pid = 0;
    std::string command;
    uint32_t parent_pid = 0;
};

struct TaskReport {
    std::string id;
    bool complete = false;
    std::vector<std::string> reasons;  // why it is not
    std::string container_id, family, workspace_root, status;
    std::string started, finished;  // RFC 3339 in UTC with microseconds
    std::optional<int64_t> code;

    std::vector<std::string> inputs, outputs, inputs_not_read, outputs_not_written;
    std::vector<ReportEntry> read, written, unexpected_reads, unexpected_writes;
    std::vector<ReportEntry> own_read, listed, absent, probed, deleted, made, metadata_changed;
    std::vector<ReportProcess> processes;
};

Result<TaskReport> parse_task_report(std::string_view json);

// One object if `single`, else an array. Bytes that are not UTF-8 become U+FFFD: the format has no
// place for them.
[[nodiscard]] std::string nx_sandbox_text(const std::vector<TaskReport>& reports, bool single);

// One object of {"commit", "inputs", "outputs"} by task id. EILSEQ: a path is not UTF-8, so that the
// lists would name another file. Whether the reports are complete is the caller's to check.
Result<std::string> ultracache_text(const std::vector<TaskReport>& reports, const std::string& commit);

// A header and one row an access, RFC 4180.
[[nodiscard]] std::string csv_text(const std::vector<TaskReport>& reports);

// Tells the digest of one of a report's paths, 64 hexadecimal digits, or why there is none. `not_after`
// is when the file must have had its content, in the form of the report's times.
using DigestOf = std::function<Result<std::string>(const std::string& path, const std::string& not_after)>;

// An in-toto Statement (v1) on one line. ENOENT: no output has a digest, so there is no subject.
Result<std::string> intoto_text(const TaskReport& report, const DigestOf& digest_of);

// '%' and each byte that `bytes` is not UTF-8 by, control characters, and what a spreadsheet would take
// for the begin of a formula, as %XX. Nothing to encode but '%': nothing.
std::optional<std::string> percent_encoded(std::string_view bytes);

}  // namespace spoor::ctl
