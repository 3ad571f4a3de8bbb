// Any text as spoor.yaml: values stay in their ranges, and every fault is one line that names the file.
#include "config/config.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "config/bounds.h"
#include "config/tenants.h"
#include "config/values.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// Whatever the rules are, somebody's applies to everybody, and a path decides without a crash.
void require_rules(const std::vector<spoor::TenantRule>& rules, std::string_view path, bool valid) {
    const spoor::Tenant tenant{1000, {0, 5}, std::string(path.substr(0, 4096))};
    const spoor::TenantRule& applies = spoor::policy_for(rules, tenant);
    require(applies.modes.value != 0 && applies.modes.value <= spoor::all_modes);
    for (const auto& rule : rules) {
        require(!valid || (!rule.name.empty() && rule.name.size() <= 64));
        require(std::has_single_bit(rule.ring_bytes_each.value));
        require(!valid || rule.ring_bytes_each.value >= spoor::tenant_ring_bytes_least);
        for (const auto& range : rule.uids) require(range.first <= range.last);
        if (!valid) continue;
        for (const auto& [name, value] : rule.annotations.value) require(name.starts_with("io.spoor."));
    }
    (void)spoor::parse_id_range(path);
    spoor::Config config;
    const auto choice = spoor::choice_for(config, applies, {});
    require(choice.has_value() && spoor::allows(applies.modes.value, choice->mode));
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
    require(config.audit.file.empty() || config.audit.file == "stderr" || config.audit.file.starts_with('/'));
    require_rules(config.tenants, text, loaded.errors.empty());
    return 0;
}
