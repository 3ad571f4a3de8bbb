// `spoor hook …`: what the wrapped runtime calls while it creates and after it has destroyed a
// container. Internal: the arguments come from spoor itself by way of the augmented spec.
#pragma once

#include <span>

namespace spoor {

// `arguments` are those after "hook". Returns the exit code: 0, or 1 to fail the container's
// creation (only with on_unavailable: refuse).
int run_hook(std::span<const char* const> arguments);

}  // namespace spoor
