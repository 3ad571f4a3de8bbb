// Errors of spoor's own, told through the channels and in the format of crun, so that container
// managers find them where they look: the --log file (text or JSON) and stderr.
#pragma once

#include <string>

#include "oci/command_line.h"

namespace spoor {

// One line each. With a log: a line there and a plain one on stderr; without: stderr in the log's
// format. A log that cannot be written costs only its line.
void report_error(const LogDestination& destination, const std::string& message);

// {"msg":…,"level":"error","time":…} without a newline.
std::string json_error_line(const std::string& message);

}  // namespace spoor
