// Any text as spoor.yaml: values stay in their ranges, and every fault is one line that names the file.
#include "config/config.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/values.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)spoor::parse_duration(text);
    (void)spoor::parse_size(text);

    const auto loaded = spoor::parse_config(text, "f.yaml");
    for (const auto& error : loaded.errors) {
        require(error.message.starts_with("f.yaml:"));
        require(error.message.find('\n') == std::string::npos);
    }
    const spoor::Config& config = loaded.config;
    require(config.runtime.starts_with('/') && config.mount.starts_with('/'));
    require(config.setup_deadline.count() >= 1 && config.setup_deadline.count() <= 600'000);
    require(std::has_single_bit(config.ring.initial) && std::has_single_bit(config.ring.max));
    require(config.ring.initial >= 4096 && config.ring.max <= 1u << 30);
    require(!loaded.errors.empty() || config.ring.initial <= config.ring.max);
    for (const auto& root : config.volumes.roots) require(root.starts_with('/'));
    return 0;
}
