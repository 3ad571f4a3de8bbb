// The sessions in the programs' maps, of this version or of another one (bpf/state.h, LASTING); and what a
// killed spoord has left there, put in order: sessions that are whole are kept, parts of others removed.
#pragma once

#include <vector>

#include "bpf/pins.h"
#include "bpf/tracer.h"

namespace spoor::bpf {

// The loader's side of the maps (maps.bpf.h); descriptors of the caller's. -1: not looked at.
struct SessionMaps {
    int scopes = -1;
    int sessions = -1;
    int processes = -1;
    int task_keys = -1;
    int owners = -1;
    int rings = -1;
    int seen = -1;
    int windows = -1;
    // Of another version, whose programs may want an entry in `scopes` for each cgroup beneath a root.
    bool names_children = false;
};

struct Inventory {
    std::vector<Tracer::Adopted> sessions;
    uint64_t next_session = 1;  // greater than all that were ever in the maps
};

// A session is whole if it has an owner and a pinned ring: only then can its recorder have been told of
// it. Where a ring was growing, the larger one is put in place. Waits for a grace period for each ring
// that is moved or removed.
Result<Inventory> take_inventory(const SessionMaps& maps, const Pins& pins);

// Whether the next start may adopt what this one could not: something was missing that is not the pins'. All
// else (another layout, programs that the verifier refuses with these maps) may be their fault, which shows
// where loading succeeds without them: libbpf tells of what was missing by other errors as well.
[[nodiscard]] bool may_pass(const Error& error);

// The session that `root` is beneath, which a session of uid's on it is to be an inner one of; 0: there is
// none. EEXIST: `root` has a session, or is beneath one that is somebody else's or an inner one itself.
Result<uint64_t> outer_session_of(const SessionMaps& maps, const ScopeRoot& root, uint32_t uid);

Result<spoor_counters> counters_of(const SessionMaps& maps, uint64_t session);
// As Tracer::stop().
Result<spoor_counters> stop_session(const SessionMaps& maps, uint64_t session);

// As Tracer::grow(), from a ring of `before` bytes. `pins`: null, there are none.
Result<UniqueFd> grow_ring(const SessionMaps& maps, const Pins* pins, uint64_t session, uint32_t before,
                           uint32_t bytes);

}  // namespace spoor::bpf
