#include "shim/ctl/config_text.h"

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

// A list in a section.
std::string list(const char* key, const std::vector<std::string>& items) {
    std::string out = std::string("  ") + key + (items.empty() ? ": []\n" : ":\n");
    for (const std::string& item : items) out += "    - " + quoted(item) + "\n";
    return out;
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
    out += "secrets:\n" + list("names", config.secrets.names) + list("prefixes", config.secrets.prefixes);
    out += "log:\n" + optional_path("  ", "file", config.log.file, "none");
    out += "  level: " + quoted(config.log.level) + "\n";
    return out + operators_text(config);
}

}  // namespace spoor::ctl
