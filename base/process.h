// Other processes, told apart although their numbers are used again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

// pidfd_open(2). ESRCH: there is no such process.
Result<UniqueFd> open_pidfd(pid_t pid);

// What proc_pid_stat(5) says of a process.
struct ProcessStat {
    char state = '?';          // field 3: 'Z' and 'X' have ended
    uint64_t start_ticks = 0;  // field 22: from boot to its start, in units of sysconf(_SC_CLK_TCK)

    [[nodiscard]] bool ended() const { return state == 'Z' || state == 'X'; }
};
// ENOENT: there is no such process. EINVAL: no line as the page describes it. `proc` is where procfs is
// mounted.
Result<ProcessStat> read_process_stat(pid_t pid, const std::string& proc = "/proc");

}  // namespace spoor
