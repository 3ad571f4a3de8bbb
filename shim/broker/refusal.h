// What is left for spoord to do where the kernel does not take the programs: to tell everybody who asks why.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor::broker {

// Answers every request at `listener` with Code::unavailable and `why` (cut to what a reply has room for).
// Returns when nobody has asked for `idle`, or at SIGTERM or SIGINT: the next start may have more luck.
Status refuse_all(UniqueFd listener, const std::string& why, std::chrono::milliseconds idle);

}  // namespace spoor::broker
