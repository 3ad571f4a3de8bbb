// What the programs keep of calls and of io_uring's requests while these are under way (the maps entry_bases,
// notes and uring_requests). They remove it themselves when the call returns or the request ends, but not any
// more once its session has ended; what was left there then would fill tables that all sessions share.
#pragma once

#include <cstdint>
#include <functional>

struct spoor_bpf;

namespace spoor::bpf {

// Removes what is kept of sessions for which `ended(number)` holds, to which programs add nothing any more.
// For one thread at a time.
void forget_under_way(const spoor_bpf* skeleton, const std::function<bool(uint64_t)>& ended);

}  // namespace spoor::bpf
