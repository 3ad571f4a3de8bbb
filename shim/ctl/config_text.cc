#include "shim/ctl/config_text.h"

#include <algorithm>
#include <chrono>

#include "shim/ctl/config_tenants.h"

namespace spoor::ctl {
namespace {

const char* yes_no(bool value) { return value ? "true" : "false"; }

// Unset paths mean "find it": writing them as empty strings would be an error when read back.
std::string optional_path(const char* indent, const char* key, const std::string& path,
                          const char* otherwise) {
    if (path.empty()) return std::string(indent) + "# " + key + ": " + otherwise + "\n";
    return std::string(indent) + key + ": " + quoted(path) + "\n";
}

// A URL without its query, which may be a key.
std::string url(const char* indent, const char* key, const std::string& text) {
    const size_t query = std::min(text.find('?'), text.size());
    return optional_path(indent, key, text.substr(0, query) + (query < text.size() ? "?..." : ""), "none");
}

// A duration in the largest unit that gives a whole number.
std::string duration(std::chrono::milliseconds time) {
    const auto count = time.count();
    for (auto [unit, factor] : {std::pair{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}})
        if (count != 0 && count % factor == 0) return std::to_string(count / factor) + unit;
    return std::to_string(count) + "ms";
}

// A list in a section.
std::string list(const char* key, const std::vector<std::string>& items, const char* indent = "  ") {
    std::string out = std::string(indent) + key + (items.empty() ? ": []\n" : ":\n");
    for (const std::string& item : items) out += std::string(indent) + "  - " + quoted(item) + "\n";
    return out;
}

std::string delivery_text(const Config::Delivery& delivery) {
    std::string out = "delivery:\n" + url("  ", "endpoint", delivery.endpoint) +
                      optional_path("  ", "token_file", delivery.token_file, "none");
    out += "  put:\n" + url("    ", "mint", delivery.put.mint) + list("hosts", delivery.put.hosts, "    ");
    if (!delivery.otlp.endpoint.empty() || !delivery.otlp.token_file.empty())
        out += "  otlp:\n" + url("    ", "endpoint", delivery.otlp.endpoint) +
               optional_path("    ", "token_file", delivery.otlp.token_file, "none");
    out += optional_path("  ", "ca_file", delivery.ca_file, "the system's") +
           optional_path("  ", "spool", delivery.spool, "spool in the state root");
    out += "  spool_max: " + size_text(delivery.spool_max) + "\n  max_age: " + duration(delivery.max_age) +
           "\n  timeout: " + duration(delivery.timeout) + "\n  retry_min: " + duration(delivery.retry_min) +
           "\n  retry_max: " + duration(delivery.retry_max) + "\n";
    return out + optional_path("  ", "program", delivery.program, "beside spoor, else in /usr/libexec/spoor");
}

}  // namespace

std::string config_text(const Config& config) {
    std::string out;
    out += "runtime: " + quoted(config.runtime) + "\n";
    out += std::string("trace: ") + yes_no(config.trace) + "\n";
    out += std::string("mode: ") + quoted(to_string(config.mode)) + "\n";
    out += std::string("on_unavailable: ") + to_string(config.on_unavailable) + "\n";
    out += std::string("on_pressure: ") + to_string(config.on_pressure) + "\n";
    out += "setup_deadline: " + std::to_string(config.setup_deadline.count()) + "ms\n";
    out += optional_path("", "state_root", config.state_root, "$XDG_RUNTIME_DIR/spoor, else /run/spoor");
    out += "mount: " + quoted(config.mount) + "\n";
    out += optional_path("", "recorder", config.recorder, "beside spoor, else in /usr/libexec/spoor");
    out += "broker:\n";
    out += "  socket: " + quoted(config.broker.socket) + "\n";
    out += optional_path("  ", "program", config.broker.program, "beside spoor, else in /usr/libexec/spoor");
    out += std::string("  private: ") + (config.broker.start_private ? "auto" : "never") + "\n";
    out += "volumes:\n  keep: " + std::to_string(config.volumes.keep) + "\n";
    out += list("roots", config.volumes.roots);
    out += "ring:\n  initial: " + size_text(config.ring.initial) + "\n  max: " + size_text(config.ring.max) +
           "\n";
    out += std::string("accesses:\n  write: ") + yes_no(config.accesses.write) +
           "\n  rotate: " + size_text(config.accesses.rotate) + "\n";
    out += std::string("tasks:\n  default_exclusions: ") + yes_no(config.tasks.default_exclusions) + "\n";
    out += list("exclude_reads", config.tasks.exclude_reads) +
           list("exclude_writes", config.tasks.exclude_writes);
    const auto& variables = config.tasks.variables;
    out += "  variables:\n    project: " + quoted(variables.project) +
           "\n    target: " + quoted(variables.target) +
           "\n    configuration: " + quoted(variables.configuration) +
           "\n    workspace_root: " + quoted(variables.workspace_root) + "\n";
    out += delivery_text(config.delivery);
    out += "secrets:\n" + list("names", config.secrets.names) + list("prefixes", config.secrets.prefixes);
    out += "log:\n" + optional_path("  ", "file", config.log.file, "none");
    out += "  level: " + quoted(config.log.level) + "\n";
    return out + operators_text(config);
}

}  // namespace spoor::ctl
