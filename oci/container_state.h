// The container's state as a runtime hands it to its hooks on stdin.
#pragma once

#include <string_view>

#include "base/result.h"

namespace spoor {

// The pid of the container's init, in the runtime's pid namespace.
Result<int> parse_state_pid(std::string_view json);

}  // namespace spoor
