#include "oci/mount_point.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/files.h"
#include "oci/annotations.h"

namespace spoor {
namespace {

// A directory beneath `root`, by links that a container may have made.
UniqueFd open_in_root(int root, const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(
        static_cast<int>(::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

std::string in_bundle(const std::string& path, const std::string& bundle_dir) {
    return path.starts_with('/') ? path : bundle_dir + "/" + path;
}

}  // namespace

MountPoint find_mount_point(const Spec& spec, const std::string& bundle_dir, const std::string& destination) {
    MountPoint place{in_bundle(spec.root_path, bundle_dir), {}};
    std::string rest = destination.substr(1);
    // The last mount at or above the destination covers all before it.
    for (const auto& mount : spec.mounts) {
        const auto at = clean_absolute_path(mount.destination);
        if (!at || !(destination + "/").starts_with(*at + "/")) continue;
        if (destination == *at) return {};  // there already, and not ours
        place.root = mount.is_bind() ? in_bundle(mount.source, bundle_dir) : "";
        rest = destination.substr(at->size() + 1);
    }
    const auto root = place.root.empty() ? Result<UniqueFd>(Error{ENOENT, ""})
                                         : open_file(place.root, O_PATH | O_DIRECTORY);
    if (!root) return {};
    for (size_t end = rest.find('/');; end = rest.find('/', end + 1)) {
        const std::string path = rest.substr(0, end);
        if (!place.missing.empty()) {
            place.missing.push_back(path);
        } else if (!open_in_root(root->get(), path)) {
            if (errno != ENOENT) return {};
            place.missing.push_back(path);
        }
        if (end == std::string::npos) return place;
    }
}

void remove_mount_point(const MountPoint& place) {
    if (place.missing.empty()) return;
    const auto root = open_file(place.root, O_PATH | O_DIRECTORY);
    if (!root) return;
    for (auto path = place.missing.rbegin(); path != place.missing.rend(); ++path) {
        const size_t slash = path->rfind('/');
        const auto parent =
            open_in_root(root->get(), slash == std::string::npos ? "" : path->substr(0, slash));
        const std::string name = slash == std::string::npos ? *path : path->substr(slash + 1);
        if (!parent || ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR) != 0) return;
    }
}

}  // namespace spoor
