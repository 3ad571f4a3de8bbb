// How spoor.yaml writes durations and sizes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace spoor {

// "500ms", "2s", "1m", "12h", "3d": a whole number and a unit.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// "512KiB", "4MiB", "1GiB", or bytes.
std::optional<uint64_t> parse_size(std::string_view text);
std::optional<uint64_t> parse_number(std::string_view text);

}  // namespace spoor
