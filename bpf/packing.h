// What the loader is told of a session, in the form that the programs' maps have it (state.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "bpf/state.h"
#include "bpf/tracer.h"

namespace spoor::bpf {

// EINVAL: more than task_keys_max, or one that is empty or too long.
Result<spoor_task_keys> packed_keys(const std::vector<std::string>& names);
spoor_session packed_session(const ScopeRoot& root, const Tracer::Init& init, uint32_t spoords_pid_namespace,
                             uint64_t outer);
// Texts that are too long: the container's id is cut, the cgroup's path left out.
spoor_owner packed_owner(const SessionOwner& owner, uint32_t seen_entries);

}  // namespace spoor::bpf
