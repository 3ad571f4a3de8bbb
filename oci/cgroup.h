// Where a container's processes live in the cgroup trees, as the caller sees them.
//
// The v2 cgroup counts if it belongs to the container alone. On v1 and hybrid hosts all containers
// may sit in one v2 cgroup, often the root; there the pids or the freezer hierarchy tells them apart.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

struct ContainerCgroup {
    UniqueFd dir;           // the cgroup's directory, O_RDONLY | O_DIRECTORY
    int version = 2;        // 2, or 1
    std::string hierarchy;  // "v2", or the v1 controller found by: "pids", "freezer"
    std::string path;       // of `dir`, in the caller's mount namespace
};

// The cgroup of `pid`. Fails when the caller lives in that cgroup too, or beneath it: tracing it
// would trace the container's manager. `proc` is where procfs is mounted.
Result<ContainerCgroup> open_container_cgroup(pid_t pid, const std::string& proc = "/proc");

// Whether a directory is one of cgroup v2's tree, or its root.
[[nodiscard]] bool is_cgroup2(const std::string& path);

// Where a runtime that makes cgroups by itself puts a container with this linux.cgroupsPath, from the top of
// the tree. Empty: it is left to systemd, or not plain.
[[nodiscard]] std::string cgroup_to_be(const std::string& cgroups_path, const std::string& container_id);

// The file by which the container's cgroup is frozen and thawed.
struct ContainerFreezer {
    UniqueFd file;            // cgroup.freeze of v2 or freezer.state of v1, O_RDWR
    std::string_view freeze;  // what to write
    std::string_view thaw;
};
// As open_container_cgroup, for the hierarchy that has a freezer. EACCES: it is not the caller's.
Result<ContainerFreezer> open_container_freezer(pid_t pid, const std::string& proc = "/proc");

// One line of /proc/PID/cgroup.
struct CgroupEntry {
    std::vector<std::string> controllers;  // empty: the v2 hierarchy
    std::string path;                      // from the reader's cgroup namespace root
};
std::vector<CgroupEntry> parse_cgroup_entries(std::string_view text);

// One cgroup mount of /proc/PID/mountinfo.
struct CgroupMount {
    int version = 2;
    std::vector<std::string> options;  // of the super block; v1 names its controllers here
    std::string root;                  // the cgroup that the mount shows as its top
    std::string mount_point;
};
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

}  // namespace spoor
