// A BPF object's maps and links among the pins (pins.h). Maps that libbpf makes for constants stay out:
// they live with the programs that use them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/pins.h"

struct bpf_object;
struct bpf_object_skeleton;

namespace spoor::bpf {

inline constexpr std::string_view map_pin_prefix = "map_";
inline constexpr std::string_view link_pin_prefix = "link_";

// The object's maps become the pinned ones; before it is loaded. EPROTO: their layout is another.
Status reuse_maps(const bpf_object* object, const Pins& pins);
Status pin_maps(const bpf_object* object, const Pins& pins);
// Programs that are attached, whoever did that.
struct PinnedLinks {
    std::vector<UniqueFd> links;
    std::vector<std::string> programs;  // their names
};
Result<PinnedLinks> pinned_links(const Pins& pins);
// Those that are attached.
Status pin_links(const bpf_object_skeleton* skeleton, const Pins& pins);

}  // namespace spoor::bpf
