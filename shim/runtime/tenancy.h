// Who the caller is to the operator's rules (config/tenants.h). A claim: spoor runs as the caller. What
// spoord finds out by itself is what binds (docs/tenants.md says what that is).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/tenants.h"

namespace spoor {

// This process's ids as the host numbers them (a rootless manager has a user namespace of its own),
// without a cgroup. `proc` is where procfs is mounted.
Tenant this_tenant(const std::string& proc = "/proc");

// Where linux.cgroupsPath puts the container, as far as it tells: the path itself, or the one that
// systemd makes of SLICE:PREFIX:NAME, from the manager's own cgroup on. Empty: it does not tell.
std::string cgroup_of_spec(const std::string& cgroups_path);

// An id by the text of /proc/PID/uid_map or gid_map; nothing if it is not mapped.
std::optional<uint32_t> outside_id(std::string_view map, uint32_t inside);

}  // namespace spoor
