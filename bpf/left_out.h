// Runs of programs that the kernel has left out. Where tracepoints leave preemption on (Linux 7.2, not 6.18)
// a task may be interrupted within a program and followed, on its processor, by another that comes to the
// same program: to the kernel that is a recursion, and it does not run the program for the other one.
// Programs at functions instead (functions.h) are left out while bpf(2) works on a map; of those at
// sys_exit's function only what the program at the tracepoint has not caught counts. What that one did is
// told by nobody, so it is a loss, of each session that there was: the kernel counts by program and does not
// say whose run it was. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>

#include "base/result.h"
#include "bpf/abi.h"

struct spoor_bpf;

namespace spoor::bpf {

class LeftOut {
public:
    // `skeleton` is the one whose programs are attached; runs count for the session from here on.
    void begin(uint64_t session, const spoor_bpf* skeleton);
    void end(uint64_t session) { before_.erase(session); }
    // With the runs left out among lost_scratch. As they are for a session that did not begin here. Programs
    // that an earlier spoord has attached cannot be asked: while there are any, nothing is counted.
    [[nodiscard]] Result<spoor_counters> added_to(Result<spoor_counters> counters, uint64_t session,
                                                  const spoor_bpf* skeleton) const;

private:
    std::map<uint64_t, uint64_t> before_;  // as it was when the session began
};

}  // namespace spoor::bpf
