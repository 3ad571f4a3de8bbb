// The copy of a container's spec that goes to the wrapped runtime: the same text with mounts and
// hooks added.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor {

struct AddedMount {
    std::string source;  // absolute, a directory
    std::string destination;
    bool read_only = true;
};

struct AddedHook {
    std::string program;                 // absolute; empty: no hook
    std::vector<std::string> arguments;  // without argv[0]
};

struct Additions {
    std::vector<AddedMount> mounts;  // mounted after those of the spec, in this order
    AddedHook create_runtime;        // runs after those of the spec
    AddedHook poststop;              // runs before those of the spec
    // Not empty: relative paths of the spec are made absolute by it, for a copy that will lie elsewhere.
    std::string bundle_dir;
};

// `spec` is one that parse_spec accepts. All that is not added keeps its bytes.
Result<std::string> augment_spec(std::string_view spec, const Additions& additions);

}  // namespace spoor
