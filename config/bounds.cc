#include "config/bounds.h"

#include <algorithm>

namespace spoor {
namespace {

Mode nearest_allowed(ModeSet modes, Mode wanted) {
    for (Mode mode : {Mode::off, Mode::warn, Mode::strict})
        if (mode >= wanted && allows(modes, mode)) return mode;
    for (Mode mode : {Mode::warn, Mode::off})
        if (allows(modes, mode)) return mode;
    return Mode::strict;
}

// The rule forces a mode in which there is something to trace, or forces tracing, and says nothing else of
// the latter.
bool forces_tracing(const TenantRule& rule) {
    const auto& forced = rule.annotations.value;
    if (const auto trace = forced.find("io.spoor.trace"); trace != forced.end())
        return trace->second == "true";
    const auto mode = forced.find("io.spoor.mode");
    return mode != forced.end() && mode->second != to_string(Mode::off);
}

}  // namespace

Result<Choice> choice_for(const Config& config, const TenantRule& rule, const Wish& asked) {
    const ModeSet modes = rule.modes.value;
    const auto not_allowed = [&](const char* what) {
        return Error{EPERM, std::string(what) + " is not allowed to tenant " + rule.name +
                                ", whose modes are " + mode_names(modes)};
    };
    Choice choice;
    choice.on_unavailable = rule.on_unavailable.value.value_or(config.on_unavailable);
    choice.task_modes = modes;
    choice.ring_max = std::min(config.ring.max, rule.ring_bytes_each.value);
    choice.ring_initial = std::min(config.ring.initial, choice.ring_max);
    if (asked.mode && !allows(modes, *asked.mode))
        return not_allowed((std::string("io.spoor.mode=") + to_string(*asked.mode)).c_str());
    if (asked.trace == false && !allows(modes, Mode::off)) return not_allowed("io.spoor.trace=false");
    const bool forced = forces_tracing(rule);
    Mode wanted = asked.mode.value_or(config.mode);
    if (forced && wanted == Mode::off && !rule.annotations.value.contains("io.spoor.mode"))
        wanted = config.mode == Mode::off ? Mode::warn : config.mode;
    const bool traces = forced || asked.trace.value_or(config.trace);
    choice.mode = nearest_allowed(modes, traces ? wanted : Mode::off);
    // Not to be traced unless asked, and off is not to be had: then as the mode says.
    if (choice.mode != Mode::off && choice.mode < wanted) choice.mode = nearest_allowed(modes, wanted);
    return choice;
}

}  // namespace spoor
