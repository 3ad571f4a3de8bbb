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

}  // namespace

Result<Choice> choice_for(const Config& config, const TenantRule& rule, const Wish& wish) {
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
    if (wish.mode && !allows(modes, *wish.mode))
        return not_allowed((std::string("io.spoor.mode=") + to_string(*wish.mode)).c_str());
    if (wish.trace == false && !allows(modes, Mode::off)) return not_allowed("io.spoor.trace=false");
    const Mode wanted = wish.mode.value_or(config.mode);
    choice.mode = nearest_allowed(modes, wish.trace.value_or(config.trace) ? wanted : Mode::off);
    // Not to be traced unless asked, and off is not to be had: then as the mode says.
    if (choice.mode != Mode::off && choice.mode < wanted) choice.mode = nearest_allowed(modes, wanted);
    return choice;
}

}  // namespace spoor
