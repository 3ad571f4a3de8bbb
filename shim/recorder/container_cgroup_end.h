// Whether a container's cgroup has come to its end.
#pragma once

namespace spoor {

// `dir`: a descriptor of the directory of the cgroup, v1 or v2. False if it cannot be told.

[[nodiscard]] bool cgroup_is_removed(int dir);

// No process lives in it or beneath it. On v2 only: v1 does not say.
[[nodiscard]] bool cgroup_is_empty(int dir);

}  // namespace spoor
