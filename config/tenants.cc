#include "config/tenants.h"

#include <algorithm>
#include <limits>

#include "config/values.h"

namespace spoor {
namespace {

bool within(const std::vector<IdRange>& ranges, uint32_t id) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [id](const IdRange& range) { return range.first <= id && id <= range.last; });
}

bool matches(const TenantRule& rule, const Tenant& tenant) {
    if (!rule.uids.empty() && !within(rule.uids, tenant.uid)) return false;
    if (!rule.gids.empty() && std::none_of(tenant.gids.begin(), tenant.gids.end(),
                                           [&rule](uint32_t gid) { return within(rule.gids, gid); }))
        return false;
    return rule.cgroups.empty() ||
           (!tenant.cgroup.empty() &&
            std::any_of(rule.cgroups.begin(), rule.cgroups.end(),
                        [&tenant](const std::string& glob) { return matches_cgroup(glob, tenant.cgroup); }));
}

}  // namespace

std::optional<IdRange> parse_id_range(std::string_view text) {
    // -1 is no id: chown(2) and setresuid(2) take it for "leave alone".
    constexpr uint64_t largest = std::numeric_limits<uint32_t>::max() - 1;
    const size_t dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
    if (!first || !last || *first > *last || *last > largest) return std::nullopt;
    return IdRange{static_cast<uint32_t>(*first), static_cast<uint32_t>(*last)};
}

std::string mode_names(ModeSet modes) {
    std::string names;
    for (Mode mode : {Mode::off, Mode::warn, Mode::strict})
        if (allows(modes, mode)) names += (names.empty() ? "" : ", ") + std::string(to_string(mode));
    return names;
}

// Greedy, and back to the last star only: an earlier one can always take what a later one would.
bool matches_cgroup(std::string_view glob, std::string_view path) {
    size_t g = 0, p = 0, after_star = std::string_view::npos, star_took = 0;
    while (p < path.size()) {
        if (g < glob.size() && glob[g] == '*') {
            after_star = ++g;
            star_took = p;
        } else if (g < glob.size() && (glob[g] == '?' || glob[g] == path[p])) {
            ++g;
            ++p;
        } else if (after_star != std::string_view::npos) {
            g = after_star;
            p = ++star_took;
        } else {
            return false;
        }
    }
    return glob.find_first_not_of('*', g) == std::string_view::npos;
}

const TenantRule& policy_for(const std::vector<TenantRule>& rules, const Tenant& tenant) {
    static const TenantRule built_in;
    const auto found = std::find_if(rules.begin(), rules.end(),
                                    [&tenant](const TenantRule& rule) { return matches(rule, tenant); });
    return found == rules.end() ? built_in : *found;
}

}  // namespace spoor
