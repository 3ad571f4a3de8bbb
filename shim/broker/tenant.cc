#include "shim/broker/tenant.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/files.h"
#include "oci/cgroup.h"

namespace spoor::broker {
namespace {

constexpr size_t largest_mountinfo = 4 << 20;
constexpr size_t largest_cgroup_file = 64 << 10;

bool shares_controller(const CgroupEntry& entry, const CgroupMount& mount) {
    return std::any_of(entry.controllers.begin(), entry.controllers.end(), [&mount](const std::string& name) {
        return std::find(mount.options.begin(), mount.options.end(), name) != mount.options.end();
    });
}

bool same_hierarchy(const CgroupEntry& entry, const CgroupMount& mount) {
    return mount.version == 2 ? entry.controllers.empty() : shares_controller(entry, mount);
}

// `path` or the nearest of its ancestors that is the cgroup in question.
std::optional<std::string> at_or_above(const std::string& mount_point, std::string path, dev_t device,
                                       uint64_t id) {
    while (path.size() > 1) {
        struct stat st {};
        if (::lstat((mount_point + path).c_str(), &st) == 0 && st.st_dev == device && st.st_ino == id)
            return path;
        path.resize(path.rfind('/'));
    }
    return std::nullopt;
}

CgroupPlace place_at(const std::string& mount_point, const std::string& path) {
    CgroupPlace place{path, {}};
    for (std::string above = path; above.resize(above.rfind('/')), !above.empty();) {
        struct stat st {};
        if (::lstat((mount_point + above).c_str(), &st) == 0) place.above.push_back({st.st_ino, st.st_uid});
    }
    return place;
}

std::optional<CgroupPlace> place_among(const std::vector<CgroupMount>& mounts,
                                       const std::vector<CgroupEntry>& entries, dev_t device, uint64_t id) {
    for (const CgroupMount& mount : mounts) {
        if (mount.root != "/") continue;
        for (const CgroupEntry& entry : entries) {
            if (!same_hierarchy(entry, mount) || !entry.path.starts_with('/')) continue;
            if (auto found = at_or_above(mount.mount_point, entry.path, device, id))
                return place_at(mount.mount_point, *found);
        }
    }
    return std::nullopt;
}

}  // namespace

Tenant tenant_of(int socket, uid_t uid, gid_t gid) {
    Tenant tenant{uid, {gid}, ""};
    socklen_t size = 0;
    (void)::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size);  // ERANGE tells the size
    std::vector<gid_t> groups(size / sizeof(gid_t));
    if (!groups.empty() && ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0)
        tenant.gids.insert(tenant.gids.end(), groups.begin(), groups.end());
    return tenant;
}

std::optional<CgroupPlace> place_of_cgroup(int directory, uint64_t id, uint32_t pid,
                                           const std::string& proc) {
    // Those seen last, as the list of all mounts is long and this is asked for each container. What they show
    // is checked by device and number, so that old ones can only be in vain; then they are read again.
    static std::vector<CgroupMount> known;
    struct stat st {};
    if (::fstat(directory, &st) < 0) return std::nullopt;
    const auto text = read_file(proc + "/" + std::to_string(pid) + "/cgroup", largest_cgroup_file);
    if (!text) return std::nullopt;
    const auto entries = parse_cgroup_entries(*text);
    if (auto place = place_among(known, entries, st.st_dev, id)) return place;
    const auto mounts = read_file(proc + "/self/mountinfo", largest_mountinfo);
    if (!mounts) return std::nullopt;
    known = parse_cgroup_mounts(*mounts);
    return place_among(known, entries, st.st_dev, id);
}

}  // namespace spoor::broker
