// What a session says of the modes that it will run in, held against the rule for its tenant. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/tenants.h"

namespace spoor::broker {

struct ModeClaim {
    Mode container = Mode::warn;
    ModeSet tasks = all_modes;  // what a task's own signal may ask for; never empty
};
// By arm's word (shim/ipc/broker_protocol.h); outer nullopt: malformed, inner: nothing is said.
std::optional<std::optional<ModeClaim>> parse_mode_claim(uint32_t word);
// Why the rule does not let such a session run; nullopt: it does. Who says nothing may run where all modes
// are allowed and none is forced.
std::optional<std::string> forbidden_by(const TenantRule& rule, const std::optional<ModeClaim>& claim);

}  // namespace spoor::broker
