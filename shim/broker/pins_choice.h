// Where spoord's pins are: what --pins says.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "bpf/pins.h"

namespace spoor::broker {

inline constexpr const char* default_pins = "/sys/fs/bpf/spoor";

// `choice`: "none"; "auto": the default directory, or none if that cannot be had, which is logged; else a
// directory, which must be usable.
Result<std::optional<bpf::Pins>> open_pins(const std::string& choice);

}  // namespace spoor::broker
