#include "shim/broker/mode_claim.h"

#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {
namespace {

std::optional<Mode> forced_mode(const TenantRule& rule) {
    const auto forced = rule.annotations.value.find("io.spoor.mode");
    return forced == rule.annotations.value.end() ? std::nullopt : parse_mode(forced->second);
}

}  // namespace

std::optional<std::optional<ModeClaim>> parse_mode_claim(uint32_t word) {
    if (word == 0) return std::optional<ModeClaim>();
    const uint32_t container = word & 0xff, tasks = word >> 8 & 0xff;
    if ((word & ~uint32_t{0xffff}) != modes_said || container > static_cast<uint32_t>(Mode::strict) ||
        tasks == 0 || tasks > all_modes)
        return std::nullopt;
    return ModeClaim{static_cast<Mode>(container), static_cast<ModeSet>(tasks)};
}

std::optional<std::string> forbidden_by(const TenantRule& rule, const std::optional<ModeClaim>& claim) {
    const ModeSet modes = rule.modes.value;
    const auto forced = forced_mode(rule);
    const std::string whose = "tenant " + rule.name + ", whose modes are " + mode_names(modes);
    if (!claim) {
        if (modes == all_modes && !forced) return std::nullopt;
        return "the request does not say which mode its session will run in: it is of " + whose;
    }
    if (!allows(modes, claim->container))
        return std::string("mode ") + to_string(claim->container) + " is not allowed to " + whose;
    if (const auto beyond = static_cast<ModeSet>(claim->tasks & ~modes); beyond != 0)
        return "tasks of mode " + mode_names(beyond) + " are not allowed to " + whose;
    if (forced && claim->container != *forced)
        return std::string("mode ") + to_string(*forced) + " is forced on tenant " + rule.name +
               ", and not " + to_string(claim->container);
    return std::nullopt;
}

}  // namespace spoor::broker
