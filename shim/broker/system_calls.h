// The system calls that spoord and its gatekeepers are left with while they serve.
#pragma once

#include "base/result.h"

namespace spoor::broker {

// Installs a seccomp filter for all threads; there is no way back. What it serves with is allowed, other
// calls fail with EPERM, and those that only somebody who has taken spoord over would make (a program
// started, another process touched, BPF code loaded) end the process. Needs no_new_privs.
Status keep_needed_system_calls_only();

// The same for gatekeepers and for the process that makes them (gatekeeper.h); nothing is deadly.
Status keep_gatekeepers_system_calls_only();
Status keep_makers_system_calls_only();

}  // namespace spoor::broker
