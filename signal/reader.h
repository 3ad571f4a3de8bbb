// For programs that read a volume (spoorctl, tests): lines of accesses.jsonl and processes.jsonl
// back into events, names as the bytes they were.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "signal/event.h"

namespace spoor {

struct AccessLine {
    std::string time;  // RFC 3339
    ProcessKey process;
    std::string op;     // a name that this version may not know
    std::string path;   // bytes
    std::string to;     // bytes; empty if none
    std::string error;  // errno name; empty if none
    std::vector<std::string> flags;
};

struct ProcessLine {
    std::string time;
    ProcessKey process;
    ProcessKey parent;  // start_ns 0: not known
    std::vector<std::string> argv;
    std::string exe, cwd, script, loader;
    bool fork_only = false;
    std::optional<int> exit_code, exit_signal;  // at most one
    std::string end;                            // empty: not seen to end
    std::string task;
};

// Unknown keys are ignored; what is no JSON object of the kind is an error.
Result<AccessLine> parse_access_line(std::string_view line);
Result<ProcessLine> parse_process_line(std::string_view line);

}  // namespace spoor
