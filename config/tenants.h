// What the operator allows whom: the rules under `tenants` in the operator's spoor.yaml, first match
// wins. Pure: who a tenant is, the caller finds out (spoord by SO_PEERCRED and the cgroup it was
// given, spoor by its own ids).
//
// docs/tenants.md tells people what each limit means and who enforces it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/choices.h"

namespace spoor {

struct IdRange {
    uint32_t first = 0;
    uint32_t last = 0;  // inclusive
};
// "1000" or "1000-1999".
std::optional<IdRange> parse_id_range(std::string_view text);

// A value and where it was said: a line of the operator's file; 0: nowhere, it is the default.
template <class T>
struct Setting {
    T value;
    uint32_t line = 0;
};

// Bit n: the mode with that number is allowed.
using ModeSet = uint8_t;
inline constexpr ModeSet all_modes = 0b111;
[[nodiscard]] constexpr bool allows(ModeSet modes, Mode mode) {
    return (modes >> static_cast<unsigned>(mode) & 1u) != 0;
}
// "warn, strict"
[[nodiscard]] std::string mode_names(ModeSet modes);

// Whether the limits are for each uid that a rule matches, or for all of them together.
enum class AccountOf { each_uid, together };

struct TenantRule {
    std::string name = "default";
    uint32_t line = 0;  // 0: built in
    // Who is meant. All kinds that are named must match; of one kind any entry. No kind: everybody.
    std::vector<IdRange> uids, gids;
    std::vector<std::string> cgroups;  // globs, see matches_cgroup

    // The limits. 0 containers, connections or requests: none at all.
    Setting<AccountOf> account{AccountOf::each_uid};
    Setting<uint32_t> containers{512};                     // traced at once
    Setting<uint64_t> ring_bytes{512ull << 20};            // of all their rings
    Setting<uint32_t> ring_bytes_each{16u << 20};          // of one; a power of two, at least 64 KiB
    Setting<uint64_t> dedupe_entries{512ull << 15};        // of all their tables of what was reported
    Setting<uint32_t> dedupe_entries_each{1u << 15};       // of one; a power of two, 1024 to 1048576
    Setting<uint32_t> connections{1024};                   // at once, each uid
    Setting<uint32_t> requests{1000};                      // a second, each uid; twice as many at one stroke
    Setting<ModeSet> modes{all_modes};                     // never empty
    Setting<std::optional<OnUnavailable>> on_unavailable;  // forced
    Setting<std::map<std::string, std::string>> annotations;  // forced: io.spoor.… only

    [[nodiscard]] bool for_everybody() const { return uids.empty() && gids.empty() && cgroups.empty(); }
};
inline constexpr uint32_t tenant_ring_bytes_least = 64 * 1024;
inline constexpr uint32_t tenant_dedupe_entries_least = 1024;
inline constexpr uint32_t tenant_dedupe_entries_most = 1u << 20;

// One who asks.
struct Tenant {
    uint32_t uid = 0;  // of the host
    std::vector<uint32_t> gids;
    std::string cgroup;  // from the root of the hierarchy on, "/a/b"; empty: not known (yet)
};

// `*` stands for any characters, slashes too, `?` for one. Linear in each star: the path's words are
// the tenant's to choose.
[[nodiscard]] bool matches_cgroup(std::string_view glob, std::string_view path);

// The rule that applies: the first that matches, else the built-in one. A rule that names cgroups
// matches nobody whose cgroup is not known. Lives as long as `rules` (the built-in one for ever).
const TenantRule& policy_for(const std::vector<TenantRule>& rules, const Tenant& tenant);

}  // namespace spoor
