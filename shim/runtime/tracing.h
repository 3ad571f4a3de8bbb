// Setting tracing up for a container that is about to be created.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "oci/command_line.h"
#include "shim/runtime/state_dir.h"
#include "shim/runtime/wrapped_runtime.h"

namespace spoor {

// Makes the volume and the state directory, starts the recorder and writes the augmented spec.
// Gives what the wrapped runtime has to be told; nothing if the container starts as it was asked
// for: it is not to be traced, cannot be and need not, or its spec is one that the runtime refuses.
// The operator's rule for the caller (config.tenants) bounds what configuration and annotations say.
//
// An error means that the container must not start; nothing is left behind then.
Result<std::optional<Handover>> set_up_tracing(const Config& asked, const CommandLine& line);

// A container whose runtime has been started already (shim/runtime/meanwhile.h).
struct Begun {
    StateDir state_dir;
    UniqueFd spec;  // its config.json, which the runtime reads when this is closed
    UniqueFd runtime;
    int runtime_pid = 0;
};

// The same for such a one: makes its spec whole, augmented or as it came. After an error it never becomes
// one. The state directory is removed at the latest when the runtime ends.
Status set_up_tracing(const Config& asked, const CommandLine& line, const Begun& begun);

}  // namespace spoor
