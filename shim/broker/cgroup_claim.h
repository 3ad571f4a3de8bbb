// Whether a peer may have a cgroup traced. Everything is decided on descriptors that the peer
// passed: no path of a tenant is ever opened.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/tracer.h"
#include "shim/broker/tenant.h"

namespace spoor::broker {

// The cgroup behind `directory`. Errors: ENOTDIR / EINVAL: no cgroup directory, or of a hierarchy
// that cannot serve as a scope; EACCES: it is not `peer_uid`'s; EPERM: the root of a hierarchy, which is
// nobody's container.
//
// Root's is every cgroup. Anybody else's is what they own and, on v2, what is beneath a cgroup that they
// own (a delegated one), unless root kept it for itself: a container's root may have another uid than who
// runs it. What is beneath what is asked of the kernel (place_of_cgroup(); null: not known): a descriptor's
// ".." would be where the tenant's mounts say.
// `proc` is where procfs is mounted (tests pass another).
Result<bpf::ScopeRoot> claim_cgroup(int directory, uid_t peer_uid, const CgroupPlace* place,
                                    const std::string& proc = "/proc");

// The process of a pidfd, as numbered in this process's pid namespace. ESRCH: it has ended, or is
// not visible from here.
Result<uint32_t> pid_of_pidfd(int pidfd, const std::string& proc = "/proc");

// Whether the process that connected `socket` is still there. It is not when another has inherited or was
// sent the connection; `pid` (of SO_PEERCRED) may then be anybody's. ESRCH: it has ended. Kernels before
// 6.5 have no SO_PEERPIDFD, and are believed.
Status peer_lives(int socket, pid_t pid, const std::string& proc = "/proc");

// Of that process; none: it has ended. Before 6.5 it is that of whoever has the number by now.
UniqueFd pidfd_of_peer(int socket, pid_t pid);

}  // namespace spoor::broker
