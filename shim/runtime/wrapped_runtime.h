// Becoming the wrapped runtime.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/command_line.h"

namespace spoor {

// The caller's command line, with `--config config` as the last option of its verb: the last one
// counts, also if the caller gave one.
std::vector<std::string> with_config(std::span<const char* const> argv, const CommandLine& line,
                                     const std::string& config);

// execve by absolute path, the environment untouched. argv[0] is replaced by that path: the runtime
// prints it in its usage errors. Returns only to say why it failed.
Error become_runtime(const std::string& runtime, std::span<const char* const> argv);

}  // namespace spoor
