// What this machine offers: where programs are, how cgroups are laid out, what of / a container can
// be shown. Roots of /proc and /sys/fs/cgroup are arguments so that tests can make their own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor::ctl {

// The absolute path of an executable file: `name` itself if it holds a '/', else beside this program
// (`beside`), else from PATH. ENOENT names what was looked for.
Result<std::string> find_program(const std::string& name, bool beside);
// The directory of this program.
[[nodiscard]] std::string own_directory();

enum class CgroupLayout { none, v1, hybrid, v2 };

struct Cgroups {
    CgroupLayout layout = CgroupLayout::none;
    std::string own;         // directory of this process (v2; else empty)
    bool delegated = false;  // podman can make a cgroup for a container of this user
    std::string delegation;  // how: "by the systemd user manager", "…: writable"; or why not
    bool pids = false;       // a pids controller is there for it
};
Cgroups probe_cgroups(const std::string& cgroup_root = "/sys/fs/cgroup",
                      const std::string& proc_self_cgroup = "/proc/self/cgroup");
[[nodiscard]] std::string_view name_of(CgroupLayout layout);

// systemd is the init of this machine.
[[nodiscard]] bool has_systemd();

// The host as an image: links of / that are the same in the container, and directories shown
// read-only at their own place.
struct HostView {
    struct Link {
        std::string name;    // "bin"
        std::string target;  // "usr/bin"
    };
    std::vector<Link> links;
    std::vector<std::string> read_only;  // absolute
};
HostView host_view(const std::string& root = "/");

}  // namespace spoor::ctl
