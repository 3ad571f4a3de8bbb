// The operator's rules for tenants, for people.
#pragma once

#include <string>

#include "config/config.h"

namespace spoor::ctl {

// `tenants`, `audit` and `metrics` as spoor.yaml; reads back as the same.
[[nodiscard]] std::string operators_text(const Config& config);

// Which rule of `file` applies to `tenant`, and each of its values with the line that it comes from.
[[nodiscard]] std::string explanation(const Config& config, const std::string& file, const Tenant& tenant);

// A forced annotation that spoor would refuse in every container; the error names rule and line.
Status check_forced_annotations(const Config& config, const std::string& file);

// Double-quoted, so that nothing turns into another YAML type.
[[nodiscard]] std::string quoted(const std::string& text);
// "4MiB".
[[nodiscard]] std::string size_text(uint64_t bytes);

}  // namespace spoor::ctl
