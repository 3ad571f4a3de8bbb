// A configuration as spoor.yaml.
#pragma once

#include <string>

#include "config/config.h"

namespace spoor::ctl {

// Every key with its value; reads back as the same configuration.
[[nodiscard]] std::string config_text(const Config& config);

}  // namespace spoor::ctl
