#include "shim/ctl/config_tenants.h"

#include <algorithm>

#include "oci/annotations.h"
#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

std::string ranges_text(const std::vector<IdRange>& ranges) {
    std::string out;
    for (const IdRange& range : ranges) {
        out += (out.empty() ? "" : ", ") + std::to_string(range.first);
        if (range.last != range.first) out += "-" + std::to_string(range.last);
    }
    return out;
}

// One setting of a rule: its key, its value as YAML, and where it was said.
struct Row {
    std::string key, value;
    uint32_t line;
};

std::vector<Row> rows_of(const TenantRule& rule) {
    std::string annotations;
    for (const auto& [name, value] : rule.annotations.value)
        annotations += (annotations.empty() ? "" : ", ") + quoted(name) + ": " + quoted(value);
    const auto& forced = rule.on_unavailable;
    return {
        {"account", rule.account.value == AccountOf::together ? "together" : "each", rule.account.line},
        {"containers", std::to_string(rule.containers.value), rule.containers.line},
        {"ring_bytes", size_text(rule.ring_bytes.value), rule.ring_bytes.line},
        {"ring_bytes_each", size_text(rule.ring_bytes_each.value), rule.ring_bytes_each.line},
        {"dedupe_entries", std::to_string(rule.dedupe_entries.value), rule.dedupe_entries.line},
        {"dedupe_entries_each", std::to_string(rule.dedupe_entries_each.value),
         rule.dedupe_entries_each.line},
        {"connections", std::to_string(rule.connections.value), rule.connections.line},
        {"requests", std::to_string(rule.requests.value), rule.requests.line},
        {"modes", "[" + mode_names(rule.modes.value) + "]", rule.modes.line},
        {"on_unavailable", forced.value ? to_string(*forced.value) : "", forced.line},
        {"annotations", rule.annotations.line != 0 ? "{" + annotations + "}" : "", rule.annotations.line},
    };
}

std::string who_text(const TenantRule& rule) {
    std::string out;
    const auto add = [&out](const char* kind, const std::string& which) {
        if (!which.empty()) out += std::string(out.empty() ? "" : ", ") + kind + " " + which;
    };
    add("uid", ranges_text(rule.uids));
    add("gid", ranges_text(rule.gids));
    std::string globs;
    for (const std::string& glob : rule.cgroups) globs += (globs.empty() ? "" : ", ") + glob;
    add("cgroup", globs);
    return out.empty() ? "everybody else" : out;
}

std::string tenants_text(const std::vector<TenantRule>& rules) {
    if (rules.empty()) return "tenants: []\n";
    std::string out = "tenants:\n";
    for (const TenantRule& rule : rules) {
        out += "  - name: " + quoted(rule.name) + "\n";
        if (!rule.uids.empty()) out += "    uid: [" + ranges_text(rule.uids) + "]\n";
        if (!rule.gids.empty()) out += "    gid: [" + ranges_text(rule.gids) + "]\n";
        if (!rule.cgroups.empty()) out += "    cgroup:\n";
        for (const std::string& glob : rule.cgroups) out += "      - " + quoted(glob) + "\n";
        for (const Row& row : rows_of(rule))
            if (!row.value.empty()) out += "    " + row.key + ": " + row.value + "\n";
    }
    return out;
}

std::string optional_text(const char* key, const std::string& value) {
    return std::string(value.empty() ? "  # " : "  ") + key + ": " +
           (value.empty() ? "none" : quoted(value)) + "\n";
}

}  // namespace

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string size_text(uint64_t bytes) {
    for (auto [unit, factor] : {std::pair{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}})
        if (bytes && bytes % factor == 0) return std::to_string(bytes / factor) + unit;
    return std::to_string(bytes);
}

std::string operators_text(const Config& config) {
    std::string out = tenants_text(config.tenants);
    out += "audit:\n" + optional_text("file", config.audit.file);
    out += "  rotate: " + size_text(config.audit.rotate) + "\n  keep: " + std::to_string(config.audit.keep) +
           "\n";
    const auto& metrics = config.metrics;
    out += "metrics:\n" + optional_text("socket", metrics.socket) + optional_text("group", metrics.group) +
           optional_text("listen", metrics.listen) + optional_text("textfile", metrics.textfile);
    return out + "  interval: " + std::to_string(metrics.interval.count()) + "ms\n";
}

std::string explanation(const Config& config, const std::string& file, const Tenant& tenant) {
    const TenantRule& rule = policy_for(config.tenants, tenant);
    const auto place = [&file](uint32_t line) { return printable(file) + ":" + std::to_string(line); };
    std::string out = "rule " + rule.name + ", for " + printable(who_text(rule)) + " (" +
                      (rule.line == 0 ? "built in: no rule matches" : place(rule.line)) + ")\n";
    for (const Row& row : rows_of(rule)) {
        const std::string value = row.value.empty() ? "-" : printable(row.value);
        std::string line = "  " + row.key;
        line.resize(std::max<size_t>(line.size() + 2, 20), ' ');
        line += value;
        line.resize(std::max<size_t>(line.size() + 2, 42), ' ');
        out += line + (row.line == 0 ? "default" : place(row.line)) + "\n";
    }
    return out;
}

Status check_forced_annotations(const Config& config, const std::string& file) {
    for (const TenantRule& rule : config.tenants) {
        const auto read = read_annotations(rule.annotations.value);
        const std::string where =
            file + ":" + std::to_string(rule.annotations.line) + ": rule " + rule.name + ": ";
        if (!read) return Error{EINVAL, where + read.error().message};
        const auto mode = read->mode ? parse_mode(*read->mode) : std::nullopt;
        if (mode && !allows(rule.modes.value, *mode))
            return Error{EINVAL, where + "forces mode " + *read->mode + ", which it does not allow"};
    }
    return {};
}

}  // namespace spoor::ctl
