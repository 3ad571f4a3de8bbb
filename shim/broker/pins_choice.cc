#include "shim/broker/pins_choice.h"

#include <spdlog/spdlog.h>

namespace spoor::broker {

Result<std::optional<bpf::Pins>> open_pins(const std::string& choice) {
    using Choice = std::optional<bpf::Pins>;
    if (choice == "none") {
        spdlog::info("no pins: sessions end with this process");
        return Choice();
    }
    const bool automatic = choice == "auto";
    auto pins = bpf::Pins::open(automatic ? default_pins : choice);
    if (pins) return Choice(std::move(*pins));
    if (!automatic) return std::move(pins).error().context("--pins");
    spdlog::warn("no pins ({}): sessions end with this process", pins.error().message);
    return Choice();
}

}  // namespace spoor::broker
