#include "config/tenants_section.h"

#include <algorithm>
#include <array>
#include <bit>

namespace spoor {
namespace {

constexpr std::array<std::string_view, 2> account_words{"each", "together"};
constexpr std::array<std::string_view, 2> tenant_unavailable_words{"run", "refuse"};
constexpr std::string_view catch_all = "default";

// Stands in the audit log and in metrics as it is.
bool is_rule_name(const std::string& name) {
    constexpr size_t longest = 64;
    return !name.empty() && name.size() <= longest && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '.';
    });
}

void read_who(Section& entry, TenantRule& rule) {
    const auto range = [](std::vector<IdRange>& ranges) {
        return [&ranges](const std::string& word) {
            const auto parsed = parse_id_range(word);
            if (parsed) ranges.push_back(*parsed);
            return parsed.has_value();
        };
    };
    entry.words("uid", "user ids like 1000 or 1000-1999", range(rule.uids));
    entry.words("gid", "group ids like 1000 or 1000-1999", range(rule.gids));
    entry.words("cgroup", "globs of cgroup paths, which begin with / or *", [&rule](const std::string& word) {
        const bool good = word.starts_with('/') || word.starts_with('*');
        if (good) rule.cgroups.push_back(word);
        return good;
    });
}

void read_modes(Section& entry, Setting<ModeSet>& modes) {
    ModeSet named = 0;
    entry.words("modes", "off, warn, strict, or a list of them", [&named](const std::string& word) {
        const auto mode = parse_mode(word);
        if (mode) named = static_cast<ModeSet>(named | 1u << static_cast<unsigned>(*mode));
        return mode.has_value();
    });
    if (named != 0) modes = {named, entry.line_of("modes")};
}

template <class T, class Read>
void read_setting(Section& entry, const char* key, Setting<T>& setting, Read read) {
    read(key, setting.value);
    setting.line = entry.line_of(key);
}

void read_limits(Section& entry, TenantRule& rule) {
    const auto number = [&entry](const char* key, uint32_t& out) { entry.number(key, out); };
    entry.choice("account", account_words, [&](size_t i) {
        rule.account = {static_cast<AccountOf>(i), entry.line_of("account")};
    });
    read_setting(entry, "containers", rule.containers, number);
    read_setting(entry, "ring_bytes", rule.ring_bytes,
                 [&entry](const char* key, uint64_t& out) { entry.size(key, out); });
    read_setting(entry, "ring_bytes_each", rule.ring_bytes_each,
                 [&entry](const char* key, uint32_t& out) { entry.ring_size(key, out); });
    if (rule.ring_bytes_each.value < tenant_ring_bytes_least)
        entry.fault_at("ring_bytes_each", "is at least 64KiB, the smallest ring that spoord makes");
    uint32_t entries = static_cast<uint32_t>(rule.dedupe_entries.value);
    entry.number("dedupe_entries", entries);
    rule.dedupe_entries = {entries, entry.line_of("dedupe_entries")};
    read_setting(entry, "dedupe_entries_each", rule.dedupe_entries_each, number);
    if (!std::has_single_bit(rule.dedupe_entries_each.value) ||
        rule.dedupe_entries_each.value < tenant_dedupe_entries_least ||
        rule.dedupe_entries_each.value > tenant_dedupe_entries_most)
        entry.fault_at("dedupe_entries_each", "wants a power of two from 1024 to 1048576");
    read_setting(entry, "connections", rule.connections, number);
    read_setting(entry, "requests", rule.requests, number);
    read_modes(entry, rule.modes);
    entry.choice("on_unavailable", tenant_unavailable_words, [&](size_t i) {
        rule.on_unavailable = {static_cast<OnUnavailable>(i), entry.line_of("on_unavailable")};
    });
    entry.pairs("annotations", "annotations of spoor's own: io.spoor.…",
                [&rule](const std::string& name, const std::string& value) {
                    rule.annotations.value.insert_or_assign(name, value);
                    return name.starts_with("io.spoor.");
                });
    rule.annotations.line = entry.line_of("annotations");
}

}  // namespace

void read_tenants(Section& root, std::vector<TenantRule>& rules) {
    std::vector<TenantRule> read;
    bool closed = false;
    root.sections("tenants", [&read, &closed](Section& entry) {
        TenantRule rule;
        rule.line = entry.line();
        rule.name.clear();
        entry.text("name", rule.name);
        read_who(entry, rule);
        read_limits(entry, rule);
        const auto same = [&rule](const TenantRule& other) { return other.name == rule.name; };
        if (!is_rule_name(rule.name))
            entry.fault_at("name", "wants a name of letters, digits, '_', '-' and '.', at most 64 of them");
        else if (std::any_of(read.begin(), read.end(), same))
            entry.fault_at("name", "stands in an earlier rule, too");
        else if (rule.name == catch_all && !rule.for_everybody())
            entry.fault_at("name", "of 'default' is for the rule without uid, gid and cgroup");
        else if (closed)
            entry.fault_at("name", "is of a rule that never applies: the one before it is for everybody");
        closed = closed || rule.for_everybody();
        read.push_back(std::move(rule));
    });
    if (root.line_of("tenants") != 0) rules = std::move(read);
}

}  // namespace spoor
