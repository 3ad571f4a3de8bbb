// A container's config.json: found as the wrapped runtime finds it, read with a limit, and of its
// content what spoor needs to know.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor {

// crun itself takes no more than 10 MiB.
inline constexpr size_t largest_spec = 16 * 1024 * 1024;

struct Bundle {
    std::string dir;   // absolute
    std::string spec;  // the text of config.json
};

// `bundle` and `config` as on the command line: `config` other than "config.json" is relative to
// the working directory, that one to the bundle.
Result<Bundle> read_bundle(const std::string& bundle, const std::string& config);
// The same where the text is known.
Result<Bundle> bundle_with_spec(const std::string& bundle, std::string spec);

struct SpecMount {
    std::string destination;
    std::string source;  // may be relative to the bundle
    std::string type;
    std::vector<std::string> options;

    [[nodiscard]] bool is_bind() const;
    [[nodiscard]] bool is_read_only() const;
};

// One element of the spec's mounts, as JSON.
Result<SpecMount> parse_spec_mount(std::string_view text);

struct Spec {
    std::map<std::string, std::string> annotations;
    std::vector<SpecMount> mounts;
    std::string root_path;  // may be relative to the bundle
    std::string mount_label;
    std::string cgroups_path;  // linux.cgroupsPath: a path, or SLICE:PREFIX:NAME for systemd; may be empty
};

// Fails on what no runtime would start: no JSON, no object, or a part missing that the runtime
// specification requires. Comments are allowed, as crun allows them.
Result<Spec> parse_spec(std::string_view text);

}  // namespace spoor
