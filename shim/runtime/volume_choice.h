// Which directory becomes a container's volume, and making it ready: docs/configuration.md.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "oci/annotations.h"
#include "oci/augment.h"
#include "oci/bundle.h"

namespace spoor {

struct VolumePlace {
    enum class Kind {
        own,         // spoor's own, beneath the state root
        annotation,  // io.spoor.volume
        user_mount,  // the source of the user's bind mount at the mount path
    } kind = Kind::own;
    std::string path;        // host path
    std::string mount_path;  // where the container sees it
    bool user_mount_read_only = false;
};

// Decides; makes nothing. An own volume's name is `name`, a single component.
Result<VolumePlace> choose_volume(const Config& config, const std::string& state_root, const Bundle& bundle,
                                  const Spec& spec, const SpoorAnnotations& annotations,
                                  const std::string& name);

// What host root insists on: an annotation's volume lies beneath one of `roots` and no one else can
// exchange a directory on the way there. Annotations may come from tenants; for others their own
// permissions decide.
Status check_host_root_volume(const VolumePlace& place, const std::vector<std::string>& roots);

// A volume on disk, with trace/ and agent/. Knows what it made, for undo.
class PreparedVolume {
public:
    static Result<PreparedVolume> prepare(const VolumePlace& place);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool own() const { return own_; }
    // Removes what prepare() made: the container will not be started.
    void undo();

private:
    std::string path_;
    bool own_ = false;
    std::vector<std::string> made_;  // in the order of making
};

// The mounts that show the volume in the container.
std::vector<AddedMount> volume_mounts(const VolumePlace& place, const std::string& volume_path);

}  // namespace spoor
