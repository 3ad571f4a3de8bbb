// What one container asks of spoor: the annotations io.spoor.* of its spec.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"

namespace spoor {

struct SpoorAnnotations {
    std::optional<bool> trace;          // io.spoor.trace: true | false
    std::optional<std::string> volume;  // io.spoor.volume: host path, absolute
    std::optional<std::string> mount;   // io.spoor.mount: container path, absolute and clean
    std::optional<std::string> mode;    // io.spoor.mode: off | warn | strict
};

// Annotations of others are ignored; an unknown or malformed one of ours is an error.
Result<SpoorAnnotations> read_annotations(const std::map<std::string, std::string>& annotations);

// The image's name, if the container manager tells it; else empty.
std::string image_name(const std::map<std::string, std::string>& annotations);

// "/a//b/./c/" becomes "/a/b/c". Nothing for a relative path, one with "..", one that holds a
// control character, and "/" itself.
std::optional<std::string> clean_absolute_path(const std::string& path);

}  // namespace spoor
