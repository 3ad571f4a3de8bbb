// What spoord keeps of root's power.
#pragma once

#include "base/result.h"

namespace spoor::broker {

// EPERM, with their names: this process has capabilities besides CAP_BPF and CAP_PERFMON.
Status refuse_extra_capabilities();

// Keeps CAP_BPF and CAP_PERFMON, gives up every other capability (bounding set included, as far as
// the caller may), and sets no_new_privs. An error if those two are not there to begin with.
Status keep_bpf_capabilities_only();

// After the programs are loaded: CAP_BPF alone, with which maps are made, used and pinned and loaded
// programs attached, but none is loaded that reads kernel memory. Of the calling thread, and those that
// it starts from then on.
Status keep_map_capability_only();

// All of them, and sets no_new_privs.
Status give_up_capabilities();

}  // namespace spoor::broker
