// The entry of a recorded process in the programs' table, changed from outside.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "bpf/state.h"

namespace spoor::bpf {

struct ProcessName {
    uint64_t session;
    uint32_t tgid;      // on the host
    uint64_t start_ns;  // CLOCK_BOOTTIME
};

// ESRCH: the session has no such process.
Status change_process(int processes, const ProcessName& which,
                      const std::function<void(spoor_process&)>& change);

}  // namespace spoor::bpf
