// trace/tasks/<id>.json, schema "spoor.report/1": what a task read and wrote. Streamed into an
// AtomicFile: neither the document nor a list of it is ever in memory as a whole.
//
// The outer keys are those of the raw sandbox report that Nx users know; what is spoor's own stands
// under `spoor`. Paths of the container's own task (`-`) are absolute. `inputs` and `outputs` are
// plain strings: for those that are not UTF-8, `spoor.inputsBytes` and `spoor.outputsBytes` hold
// {"index":N,"bytes":base64} each. Everywhere else json_text.h's scheme holds.
#pragma once

#include <string>

#include "base/result.h"
#include "signal/access_set.h"
#include "signal/process_table.h"
#include "signal/session.h"
#include "signal/task_signal.h"

namespace spoor {

inline constexpr const char* report_schema = "spoor.report/1";

// Writes `tasks`/<task_id>.json. `session` gives completeness, coverage and times as they are to
// stand in the report. The sets are only sorted, not changed.
Status write_report(int tasks, const std::string& task_id, AccessSet& accesses, const ProcessTable& processes,
                    const Session& session);

}  // namespace spoor
