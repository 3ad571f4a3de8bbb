// The `tenants` list of a spoor.yaml.
#pragma once

#include <vector>

#include "config/section.h"
#include "config/tenants.h"

namespace spoor {

// Replaces `rules` by the list under the key `tenants`, if it is there; faults go to the section's errors.
void read_tenants(Section& root, std::vector<TenantRule>& rules);

}  // namespace spoor
