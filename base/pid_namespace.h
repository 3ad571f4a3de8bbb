// In whose numbers processes are called (pid_namespaces(7)).
#pragma once

#include <cstdint>

#include "base/result.h"

namespace spoor {

// The inode of the machine's first one, whose numbers are the kernel's own.
inline constexpr uint32_t first_pid_namespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO of linux/proc_ns.h

// The inode of this process's. ESRCH: /proc is of another one; what it says of processes cannot be compared
// with anything then.
Result<uint32_t> own_pid_namespace();

}  // namespace spoor
