// What a container gets of what it asks for: the operator's rule bounds the user's own layers of
// spoor.yaml and the container's annotations.
#pragma once

#include <optional>

#include "base/result.h"
#include "config/config.h"

namespace spoor {

// The container's own wishes, from its annotations.
struct Wish {
    std::optional<bool> trace;
    std::optional<Mode> mode;
};

// `trace` and `mode` in one: `off` is not traced.
struct Choice {
    Mode mode = Mode::warn;
    ModeSet task_modes = all_modes;  // what its tasks may ask for
    OnUnavailable on_unavailable = OnUnavailable::run;
    uint32_t ring_initial = 0, ring_max = 0;  // bytes
};

// `asked`: with what the rule forces. A rule that forces `io.spoor.trace=true`, or a mode other than off, has
// the container traced, whatever settings and other annotations say of `trace` and of off.
//
// An annotation that asks for what the rule does not allow is an error (EPERM), so that nobody takes
// the container for something that it is not. A setting gives way without a word: to the next
// stricter mode that is allowed, else to the strictest one.
Result<Choice> choice_for(const Config& config, const TenantRule& rule, const Wish& asked);

}  // namespace spoor
