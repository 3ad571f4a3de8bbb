// spoor.yaml: what an operator can set, and its defaults. docs/configuration.md tells it to people.
//
// Layers, later over earlier, key by key (a list replaces a list, `secrets` apart): /etc/spoor/spoor.yaml,
// $XDG_CONFIG_HOME/spoor/spoor.yaml, the file that SPOOR_CONFIG names. The first is the operator's:
// `tenants`, `audit` and `metrics` may stand there only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/choices.h"
#include "config/tenants.h"

namespace spoor {

struct Config {
    std::string runtime = "/usr/bin/crun";  // absolute
    bool trace = true;
    Mode mode = Mode::warn;
    OnUnavailable on_unavailable = OnUnavailable::run;
    OnPressure on_pressure = OnPressure::report;  // when the ring cannot grow
    std::chrono::milliseconds setup_deadline{2000};
    std::string state_root;            // empty: $XDG_RUNTIME_DIR/spoor, else /run/spoor
    std::string mount = "/run/spoor";  // where containers see their volume
    std::string recorder;              // program; empty: beside spoor, else /usr/libexec/spoor
    struct Broker {
        std::string socket = "/run/spoor/spoord.sock";
        std::string program;        // as `recorder`
        bool start_private = true;  // `private: auto`
    } broker;
    struct Volumes {
        uint32_t keep = 64;  // finished own volumes
        // What io.spoor.volume may name when spoor runs as the host's root; the state root always may.
        std::vector<std::string> roots = {"/var/lib/spoor/volumes"};
    } volumes;
    struct Ring {
        uint32_t initial = 512 * 1024;  // bytes; powers of two
        uint32_t max = 8 * 1024 * 1024;
    } ring;
    struct Accesses {
        bool write = true;
        uint64_t rotate = 256u * 1024 * 1024;  // bytes; 0: never
    } accesses;
    struct Tasks {
        bool default_exclusions = true;  // docs/declarations.md
        // Patterns of what no task has to declare.
        std::vector<std::string> exclude_reads, exclude_writes;
        // The environment variables that tell a process's task; empty: not looked for.
        struct Variables {
            std::string project = "NX_TASK_TARGET_PROJECT";
            std::string target = "NX_TASK_TARGET_TARGET";
            std::string configuration = "NX_TASK_TARGET_CONFIGURATION";
            std::string workspace_root = "NX_WORKSPACE_ROOT";
        } variables;
    } tasks;
    // Where reports go besides the volume (docs/delivery.md). Empty: not there.
    struct Delivery {
        std::string endpoint;    // URL; each report is POSTed there
        std::string token_file;  // its bearer token's, and that of put.mint
        struct Put {
            std::string mint;                // URL; gives pre-signed URLs
            std::vector<std::string> hosts;  // that a task signal's URL may name; host patterns of base/url.h
        } put;
        struct Otlp {
            std::string endpoint;  // URL of a collector, without /v1/logs
            std::string token_file;
        } otlp;
        std::string ca_file;                      // empty: the system's
        std::string spool;                        // empty: <state root>/spool
        uint64_t spool_max = 256u * 1024 * 1024;  // bytes
        std::chrono::milliseconds max_age = std::chrono::hours(72);
        std::chrono::milliseconds timeout{60'000};  // of one try, from connecting to the answer
        std::chrono::milliseconds retry_min{1000}, retry_max{300'000};
        std::string program;  // as `recorder`

        [[nodiscard]] bool on() const {
            return !endpoint.empty() || !put.mint.empty() || !put.hosts.empty() || !otlp.endpoint.empty();
        }
    } delivery;
    // What is taken for a secret beside the built-in rules (docs/security.md). Each layer adds to what
    // those before it say: nobody below the operator can take a rule away.
    struct Secrets {
        std::vector<std::string> names;     // ends of names of settings
        std::vector<std::string> prefixes;  // beginnings of keys
    } secrets;
    struct Log {
        std::string file;  // of the recorder; empty: none
        std::string level = "info";
    } log;
    // The operator's: who may have what (spoord, spoor), and what spoord tells of it.
    std::vector<TenantRule> tenants;
    struct Audit {
        std::string file;  // absolute, "stderr", "journal" or "journal:SOCKET"; empty: none
        uint64_t rotate = 64u * 1024 * 1024;  // bytes; 0: never
        uint32_t keep = 4;                    // rotated files: FILE.1 is the newest
    } audit;
    struct Metrics {
        std::string socket;    // a unix socket; empty: none
        std::string group;     // may read it as well: a name or a number; empty: the owner alone
        std::string listen;    // loopback "127.0.0.1:PORT" or "[::1]:PORT"; empty: none
        std::string textfile;  // for node_exporter; empty: none
        std::chrono::milliseconds interval{15000};  // between two writings of it
    } metrics;
};

// What the layers are found by; from_process() takes them from the environment.
struct ConfigEnvironment {
    std::string system_file = "/etc/spoor/spoor.yaml";
    std::string xdg_config_home;
    std::string home;
    std::string spoor_config;

    static ConfigEnvironment from_process();
    // The files to read, in order; they need not exist.
    [[nodiscard]] std::vector<std::string> layers() const;
};

// A configuration with faults still holds every value that was right: verbs that only pass through
// need to know the wrapped runtime whatever else is wrong.
struct LoadedConfig {
    Config config;
    std::vector<std::string> files;  // the layers that exist
    std::vector<Error> errors;       // "FILE:LINE:COLUMN: what is wrong and what was expected"
};

// All layers.
LoadedConfig load_config(const ConfigEnvironment& environment);
// One file over the defaults, which must exist, read as the operator's; the first fault is the error.
Result<Config> load_config_file(const std::string& path);
// As load_config for text; `name` stands for the file in errors.
LoadedConfig parse_config(std::string_view yaml, const std::string& name);

// What is allowed and probably not wanted, a line each: what spoorctl warns of.
std::vector<std::string> config_warnings(const Config& config);

}  // namespace spoor
