// Runs a command in a container by podman with spoor as the runtime.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "shim/ctl/host.h"

namespace spoor::ctl {

struct RunOptions {
    std::string image;  // one of image, rootfs, or neither: the host's own /usr, /etc, /opt
    std::string rootfs;
    std::string volume;   // empty: a temporary one
    std::string workdir;  // absolute host directory, bound at its own path; empty with an image: the image's
    bool json = false;
    bool keep = false;
    std::string runtime;  // absolute
    std::string podman;   // absolute
    std::string network = "none";
    std::vector<std::string> environment;  // K=V
    std::vector<std::string> podman_arguments;
    std::vector<std::string> command;
};

// What decides about podman's options besides what the user wants.
struct RunHost {
    bool root = false;
    bool systemd = false;
    bool pids_controller = false;
    bool terminal = false;  // standard input and output are one
    // NAME=SOFT:HARD. For root, podman would raise limits, which needs CAP_SYS_RESOURCE: a build
    // machine may lack it. Rootless podman keeps to the caller's limits by itself.
    std::vector<std::string> limits;
    HostView view;
};
[[nodiscard]] RunHost probe_run_host(const RunOptions& options);

// Makes the skeleton of the host view in `directory`, which exists and is empty. It has to belong to
// the caller: rootless podman cannot make mount points in a directory of root's.
Status make_skeleton(const std::string& directory, const HostView& view);

// podman's whole command line. `volume` and `skeleton` are absolute; `skeleton` serves only when
// there is neither image nor rootfs. EINVAL: a path that podman's -v cannot express.
Result<std::vector<std::string>> podman_command(const RunOptions& options, const RunHost& host,
                                                const std::string& volume, const std::string& skeleton);

// Starts a program (`command[0]` is its absolute path), forwards signals that were sent to this
// process alone, waits. `stdout_to_stderr`: keeps standard output free. Returns the exit code as a
// shell would: 128 + n for signal n.
Result<int> run_program(const std::vector<std::string>& command, bool stdout_to_stderr);

}  // namespace spoor::ctl
