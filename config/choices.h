// The words that spoor.yaml chooses from.
#pragma once

#include <optional>
#include <string_view>

namespace spoor {

enum class Mode { off, warn, strict };  // in the order of what they demand
enum class OnUnavailable { run, refuse };
enum class OnPressure { report, freeze };

[[nodiscard]] const char* to_string(Mode mode);
[[nodiscard]] const char* to_string(OnUnavailable choice);
[[nodiscard]] const char* to_string(OnPressure choice);
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view text);

}  // namespace spoor
