// The directories that a runtime makes because something is to be mounted there: they stay in the
// container's root file system, where an image build would find them.
#pragma once

#include <string>
#include <vector>

#include "oci/bundle.h"

namespace spoor {

struct MountPoint {
    std::string root;  // a directory of the host, the container's own root or a bind mount's source
    // Those that were not there, as paths beneath `root`, outermost first: "run", "run/spoor". Empty if all
    // was there, if it lies on a file system that ends with the container, or if it cannot be told.
    std::vector<std::string> missing;
};

// What is missing for a mount at `destination` (clean, absolute) after those of `spec`, before the
// container is made. `bundle_dir`: absolute.
MountPoint find_mount_point(const Spec& spec, const std::string& bundle_dir, const std::string& destination);

// Removes what was missing, from the innermost on, as long as it is empty. Links are followed as the
// container would follow them, never out of `root`. Nothing of this can fail in a way that matters.
void remove_mount_point(const MountPoint& place);

}  // namespace spoor
