// A task's report as people look at it: what it did that it had not declared, and what to add.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "shim/ctl/table.h"

namespace spoor::ctl {

// The text of a report (schema spoor.report/1) for a terminal; whatever stands in it is escaped.
Result<std::string> task_report_text(std::string_view json, const Style& style);

}  // namespace spoor::ctl
