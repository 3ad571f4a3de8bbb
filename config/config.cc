#include "config/config.h"

#include <yaml-cpp/yaml.h>

#include <array>
#include <cstdlib>

#include "base/files.h"
#include "config/delivery.h"
#include "config/section.h"
#include "config/tenants_section.h"
#include "config/values.h"

namespace spoor {
namespace {

using namespace std::chrono_literals;

constexpr size_t largest_config = 1024 * 1024;

constexpr std::array<std::string_view, 3> mode_words{"off", "warn", "strict"};
constexpr std::array<std::string_view, 2> unavailable_words{"run", "refuse"};
constexpr std::array<std::string_view, 2> pressure_words{"report", "freeze"};
constexpr std::array<std::string_view, 2> private_words{"never", "auto"};
constexpr std::array<std::string_view, 6> level_words{"trace", "debug", "info", "warn", "error", "off"};

bool is_loopback(const std::string& address) {
    for (const std::string_view host : {"127.0.0.1:", "[::1]:"}) {
        if (!address.starts_with(host)) continue;
        const auto port = parse_number(std::string_view(address).substr(host.size()));
        return port && *port > 0 && *port <= 65535;
    }
    return false;
}

void read_audit(Section& audit, Config::Audit& out) {
    audit.words(
        "file", "an absolute path, stderr, journal, or journal:SOCKET", [&out](const std::string& word) {
            constexpr std::string_view named_journal = "journal:";
            const std::string_view path =
                std::string_view(word).substr(word.starts_with(named_journal) ? named_journal.size() : 0);
            const bool good = word == "stderr" || word == "journal" ||
                              (path.starts_with('/') && path.find('\0') == std::string_view::npos);
            if (good) out.file = word;
            return good;
        });
    audit.size("rotate", out.rotate);
    audit.number("keep", out.keep);
    constexpr uint32_t most_kept = 1000;
    if (out.keep > most_kept) audit.fault_at("keep", "is at most 1000");
}

void read_metrics(Section& metrics, Config::Metrics& out) {
    metrics.absolute_path("socket", out.socket);
    metrics.text("group", out.group);
    metrics.words("listen", "127.0.0.1:PORT or [::1]:PORT", [&out](const std::string& word) {
        if (is_loopback(word)) out.listen = word;
        return is_loopback(word);
    });
    metrics.absolute_path("textfile", out.textfile);
    metrics.duration("interval", out.interval, 100ms, 3600s);
}

// What one who is not the operator may not say.
void refuse_operators_keys(Section& root) {
    for (const std::string_view key : {"tenants", "audit", "metrics"})
        root.refuse(key, "is the operator's to say, in the system's spoor.yaml only");
}

void read_root(Section& root, Config& config, bool by_operator) {
    root.absolute_path("runtime", config.runtime);
    root.boolean("trace", config.trace);
    root.choice("mode", mode_words, [&](size_t i) { config.mode = static_cast<Mode>(i); });
    root.choice("on_unavailable", unavailable_words,
                [&](size_t i) { config.on_unavailable = static_cast<OnUnavailable>(i); });
    root.choice("on_pressure", pressure_words,
                [&](size_t i) { config.on_pressure = static_cast<OnPressure>(i); });
    root.duration("setup_deadline", config.setup_deadline, 1ms, 600s);
    root.absolute_path("state_root", config.state_root);
    root.absolute_path("mount", config.mount);
    root.absolute_path("recorder", config.recorder);
    root.section("broker", [&](Section& broker) {
        broker.absolute_path("socket", config.broker.socket);
        broker.absolute_path("program", config.broker.program);
        broker.choice("private", private_words, [&](size_t i) { config.broker.start_private = i == 1; });
    });
    root.section("volumes", [&](Section& volumes) {
        volumes.number("keep", config.volumes.keep);
        volumes.absolute_paths("roots", config.volumes.roots);
    });
    root.section("ring", [&](Section& ring) {
        ring.ring_size("initial", config.ring.initial);
        ring.ring_size("max", config.ring.max);
    });
    root.section("accesses", [&](Section& accesses) {
        accesses.boolean("write", config.accesses.write);
        accesses.size("rotate", config.accesses.rotate);
    });
    root.section("tasks", [&](Section& tasks) {
        tasks.boolean("default_exclusions", config.tasks.default_exclusions);
        tasks.texts("exclude_reads", config.tasks.exclude_reads);
        tasks.texts("exclude_writes", config.tasks.exclude_writes);
        tasks.section("variables", [&](Section& variables) {
            variables.variable("project", config.tasks.variables.project);
            variables.variable("target", config.tasks.variables.target);
            variables.variable("configuration", config.tasks.variables.configuration);
            variables.variable("workspace_root", config.tasks.variables.workspace_root);
        });
    });
    root.section("delivery", [&](Section& delivery) { read_delivery(delivery, config.delivery); });
    root.section("secrets", [&](Section& secrets) {
        secrets.more_words("names", 3, config.secrets.names);
        secrets.more_words("prefixes", 3, config.secrets.prefixes);
    });
    root.section("log", [&](Section& log) {
        log.absolute_path("file", config.log.file);
        log.choice("level", level_words, [&](size_t i) { config.log.level = level_words[i]; });
    });
    if (by_operator) {
        read_tenants(root, config.tenants);
        root.section("audit", [&](Section& audit) { read_audit(audit, config.audit); });
        root.section("metrics", [&](Section& metrics) { read_metrics(metrics, config.metrics); });
    } else {
        refuse_operators_keys(root);
    }
    root.finish();
}

void apply_layer(std::string_view yaml, const std::string& name, bool by_operator, LoadedConfig& loaded) {
    const auto fault = [&](const YAML::Mark& mark, const std::string& message) {
        loaded.errors.push_back(config_fault(name, mark, message));
    };
    try {
        const YAML::Node root = YAML::Load(std::string(yaml));
        if (root.IsNull()) return;
        if (!root.IsMap()) return fault(root.Mark(), "expected a map of keys and values");
        Section section(root, name, "", loaded.errors);
        read_root(section, loaded.config, by_operator);
    } catch (const YAML::Exception& problem) {
        fault(problem.mark, "no valid YAML: " + problem.msg);
    } catch (const std::exception& problem) {
        fault(YAML::Mark::null_mark(), std::string("no valid YAML: ") + problem.what());
    }
}

// Between keys, so only meaningful once all layers are applied.
void check_whole(LoadedConfig& loaded, const std::string& name) {
    if (loaded.errors.empty())
        if (auto checked = check_delivery(loaded.config.delivery); !checked)
            loaded.errors.push_back(std::move(checked).error().context(name));
    if (!loaded.errors.empty() || loaded.config.ring.initial <= loaded.config.ring.max) return;
    loaded.errors.push_back({EINVAL, name + ": 'ring.initial' (" +
                                         std::to_string(loaded.config.ring.initial) +
                                         " bytes) is larger than 'ring.max' (" +
                                         std::to_string(loaded.config.ring.max) + " bytes)"});
}

std::string environment_value(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

}  // namespace

const char* to_string(Mode mode) { return mode_words[static_cast<size_t>(mode)].data(); }

const char* to_string(OnUnavailable choice) { return unavailable_words[static_cast<size_t>(choice)].data(); }

const char* to_string(OnPressure choice) { return pressure_words[static_cast<size_t>(choice)].data(); }

std::optional<Mode> parse_mode(std::string_view text) {
    for (size_t i = 0; i < mode_words.size(); ++i)
        if (mode_words[i] == text) return static_cast<Mode>(i);
    return std::nullopt;
}

ConfigEnvironment ConfigEnvironment::from_process() {
    ConfigEnvironment environment;
    environment.xdg_config_home = environment_value("XDG_CONFIG_HOME");
    environment.home = environment_value("HOME");
    environment.spoor_config = environment_value("SPOOR_CONFIG");
    return environment;
}

std::vector<std::string> ConfigEnvironment::layers() const {
    std::vector<std::string> files{system_file};
    // The XDG specification: a relative value is to be ignored.
    if (xdg_config_home.starts_with('/'))
        files.push_back(xdg_config_home + "/spoor/spoor.yaml");
    else if (xdg_config_home.empty() && home.starts_with('/'))
        files.push_back(home + "/.config/spoor/spoor.yaml");
    if (!spoor_config.empty()) files.push_back(spoor_config);
    return files;
}

LoadedConfig load_config(const ConfigEnvironment& environment) {
    LoadedConfig loaded;
    for (const std::string& file : environment.layers()) {
        auto text = read_file(file, largest_config);
        if (text) {
            loaded.files.push_back(file);
            apply_layer(*text, file, file == environment.system_file, loaded);
            continue;
        }
        const int code = text.error().code;
        const bool optional = file != environment.spoor_config;
        if (optional && (code == ENOENT || code == ENOTDIR)) continue;
        loaded.errors.push_back(std::move(text).error());
    }
    if (!loaded.files.empty()) check_whole(loaded, loaded.files.back());
    return loaded;
}

Result<Config> load_config_file(const std::string& path) {
    auto text = read_file(path, largest_config);
    if (!text) return std::move(text).error();
    auto loaded = parse_config(*text, path);
    if (!loaded.errors.empty()) return std::move(loaded.errors.front());
    return std::move(loaded.config);
}

LoadedConfig parse_config(std::string_view yaml, const std::string& name) {
    LoadedConfig loaded;
    loaded.files.push_back(name);
    apply_layer(yaml, name, true, loaded);
    check_whole(loaded, name);
    return loaded;
}

}  // namespace spoor
