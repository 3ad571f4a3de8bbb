// The section `delivery` of spoor.yaml.
#pragma once

#include "config/config.h"
#include "config/section.h"

namespace spoor {

void read_delivery(Section& section, Config::Delivery& delivery);
// Between keys.
Status check_delivery(const Config::Delivery& delivery);

}  // namespace spoor
