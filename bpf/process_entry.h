// The entry of a recorded process in the programs' table, changed from outside.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "bpf/adoption.h"
#include "bpf/state.h"

namespace spoor::bpf {

struct ProcessName {
    uint64_t session;
    uint32_t number;    // in the session's pid namespace
    uint64_t start_ns;  // CLOCK_BOOTTIME
};

// Where that is not the machine's first pid namespace all entries are looked at. ESRCH: the session has no
// such process.
Status change_process(const SessionMaps& maps, const ProcessName& which,
                      const std::function<void(spoor_process&)>& change);

}  // namespace spoor::bpf
