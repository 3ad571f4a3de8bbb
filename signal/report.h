// trace/tasks/<id>.json, schema "spoor.report/1": what a task read and wrote. Streamed into an
// AtomicFile: neither the document nor a list of it is ever in memory as a whole.
//
// The outer keys are those of the raw sandbox report that Nx users know; what is spoor's own stands
// under `spoor`. Paths of the container's own task (`-`) are absolute; of other tasks those in the
// workspace are relative to it. `inputs` and `outputs` are plain strings: for those that are not UTF-8,
// `spoor.inputsBytes` and `spoor.outputsBytes` hold {"index":N,"bytes":base64} each, and so do the other
// lists of plain strings. Everywhere else json_text.h's scheme holds.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "signal/access_set.h"
#include "signal/process_table.h"
#include "signal/session.h"
#include "signal/task.h"

namespace spoor {

inline constexpr const char* report_schema = "spoor.report/1";

// Writes `tasks`/-.json: everything that the container did, whichever task it was for. `session` gives
// completeness, coverage and times as they are to stand in the report. The sets are only sorted, not
// changed.
Status write_report(int tasks, AccessSet& accesses, const ProcessTable& processes, const Session& session);

// Why a task's report is not complete; none: it is, if nothing was lost.
[[nodiscard]] std::vector<std::string> report_reasons(const Task& task, const Session& session);

// Writes the report of a task under its file name (task_file_name). `container` tells who served
// what the task talked to; `started` and `finished` are RFC 3339. Returns the file, for it to be synced while
// the container goes on.
Result<UniqueFd> write_task_report(int tasks, Task& task, TaskEnd end, const std::string& started,
                                   const std::string& finished, const AccessSet& container,
                                   ProcessTable& processes, const Session& session);

}  // namespace spoor
