// Who a peer is, by what the kernel says of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/tenants.h"

namespace spoor::broker {

// `uid` (of SO_PEERCRED, or whose subordinate that is) and gid, and the groups of SO_PEERGROUPS: as of the
// moment it connected.
Tenant tenant_of(int socket, uid_t uid, gid_t gid);

// Where a cgroup lies.
struct CgroupPlace {
    std::string path;  // from the root of its hierarchy on
    struct Above {
        uint64_t id = 0;  // inode number
        uid_t owner = 0;
    };
    std::vector<Above> above;  // what it is beneath, the nearest first; the root is not among them
};

// The place of the cgroup with inode number `id` in the file system of `directory`: that of the process
// `pid`, which is in it or beneath it, as the kernel tells. A descriptor's own name (/proc/self/fd) would not
// do: a tenant's mounts decide what it says. Nothing is opened; inodes' numbers are compared, in this
// process's mounts. Nothing if the process is elsewhere. `proc` is where procfs is mounted. Remembers the
// cgroup mounts: to be called on one thread.
std::optional<CgroupPlace> place_of_cgroup(int directory, uint64_t id, uint32_t pid,
                                           const std::string& proc = "/proc");

}  // namespace spoor::broker
