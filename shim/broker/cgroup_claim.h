// Whether a peer may have a cgroup traced. Everything is decided on descriptors that the peer
// passed: no path of a tenant is ever opened.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "bpf/tracer.h"

namespace spoor::broker {

// The cgroup behind `directory`. Errors: ENOTDIR / EINVAL: no cgroup directory, or of a hierarchy
// that cannot serve as a scope; EACCES: `peer_uid` is neither root nor the directory's owner;
// EPERM: the root of a hierarchy, which is nobody's container.
// `proc` is where procfs is mounted (tests pass another).
Result<bpf::ScopeRoot> claim_cgroup(int directory, uid_t peer_uid, const std::string& proc = "/proc");

// The process of a pidfd, as numbered in this process's pid namespace. ESRCH: it has ended, or is
// not visible from here.
Result<uint32_t> pid_of_pidfd(int pidfd, const std::string& proc = "/proc");

}  // namespace spoor::broker
