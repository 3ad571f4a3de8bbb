// What a wrapped runtime says of itself: the verb `features` of the OCI runtime specification 1.1.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spoor {

// ENOTSUP if `features`, the answer of `runtime`, lists the hooks that it calls and createRuntime, in which
// tracing begins, is not among them: its container would run unwatched, and nobody would say so. What is no
// such list (an older runtime's usage error) says nothing, and the runtime is believed.
[[nodiscard]] Status calls_create_runtime(const std::string& runtime, std::string_view features);

// Asks `runtime`, an absolute path, and judges the answer. One that has not answered within `deadline` is
// believed and soon ended.
[[nodiscard]] Status ask_for_hooks(const std::string& runtime, std::chrono::milliseconds deadline);

}  // namespace spoor
