// A trail as one JSON object: {"session": …, "report": …, "processes": […], "exitCode": n}. The
// volume's own texts are passed on as they are, once they proved to be JSON.
#pragma once

#include <cstdio>
#include <optional>

#include "base/result.h"
#include "shim/ctl/volume_reader.h"

namespace spoor::ctl {

struct JsonParts {
    std::optional<int> exit_code;  // left out if there is none
    bool accesses = false;         // adds "accesses": […]
};

// `volume` may be null: then everything is null. What is missing or no JSON is null too, and named
// in "notes". The error is that of writing.
Status write_json(std::FILE* out, const VolumeReader* volume, const JsonParts& parts);

}  // namespace spoor::ctl
