// What spoord keeps of root's power.
#pragma once

#include "base/result.h"

namespace spoor::broker {

// Keeps CAP_BPF and CAP_PERFMON, gives up every other capability (bounding set included, as far as
// the caller may), and sets no_new_privs. An error if those two are not there to begin with.
Status keep_bpf_capabilities_only();

}  // namespace spoor::broker
