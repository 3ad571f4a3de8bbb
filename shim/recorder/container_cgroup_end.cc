#include "shim/recorder/container_cgroup_end.h"

#include <fcntl.h>

#include <cerrno>

#include "base/files.h"
#include "base/unique_fd.h"

namespace spoor {

bool cgroup_is_removed(int dir) {
    const UniqueFd procs(::openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC));
    return !procs && (errno == ENOENT || errno == ENODEV);
}

bool cgroup_is_empty(int dir) {
    const auto events = open_at(dir, "cgroup.events", O_RDONLY);
    const auto text = events ? read_fd(events->get(), 4096) : Result<std::string>(events.error());
    return text && ("\n" + *text).find("\npopulated 0\n") != std::string::npos;
}

}  // namespace spoor
