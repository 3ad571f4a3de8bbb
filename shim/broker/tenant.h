// Who a peer is, by what the kernel says of it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "config/tenants.h"

namespace spoor::broker {

// SO_PEERCRED's uid and gid, and the groups of SO_PEERGROUPS: as of the moment it connected.
Tenant tenant_of(int socket, uid_t uid, gid_t gid);

// The path of the cgroup with inode number `id` in the file system of `directory`, from the root of
// its hierarchy on: that of the process `pid`, which is in it or beneath it, as the kernel tells. A
// descriptor's own name (/proc/self/fd) would not do: a tenant's mounts decide what it says. Nothing
// is opened; the inode's number is compared. Nothing if the process is elsewhere.
// `proc` is where procfs is mounted. Remembers the cgroup mounts: to be called on one thread.
std::optional<std::string> cgroup_path_of(int directory, uint64_t id, uint32_t pid,
                                          const std::string& proc = "/proc");

// Whether `uid` owns a cgroup above that one, the root of the hierarchy apart; as cgroup_path_of looks it up.
bool owns_cgroup_above(int directory, uint64_t id, uint32_t pid, uid_t uid,
                       const std::string& proc = "/proc");

}  // namespace spoor::broker
