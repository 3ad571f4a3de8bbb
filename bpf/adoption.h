// What a killed spoord has left in the programs' maps, put in order: sessions that are whole are kept,
// parts of others removed.
#pragma once

#include <vector>

#include "bpf/pins.h"
#include "bpf/tracer.h"

namespace spoor::bpf {

// The loader's side of the maps (maps.bpf.h); descriptors of the caller's.
struct SessionMaps {
    int scopes = -1;
    int sessions = -1;
    int processes = -1;
    int task_keys = -1;
    int owners = -1;
    int rings = -1;
    int seen = -1;
};

struct Inventory {
    std::vector<Tracer::Adopted> sessions;
    uint64_t next_session = 1;  // greater than all that were ever in the maps
};

// A session is whole if it has an owner and a pinned ring: only then can its recorder have been told of
// it. Where a ring was growing, the larger one is put in place. Waits for a grace period for each ring
// that is moved or removed.
Result<Inventory> take_inventory(const SessionMaps& maps, const Pins& pins);

// What is recorded for `session`, and where, is forgotten; what is under way may still come.
void forget_session(const SessionMaps& maps, uint64_t session);

}  // namespace spoor::bpf
