#include "oci/command_line.h"

#include <array>
#include <functional>
#include <string_view>
#include <vector>

#include "oci/options.h"

namespace spoor {
namespace {

constexpr Argument none = Argument::none;
constexpr Argument required = Argument::required;

// argp's own, of every level. `HANG` and `program-name` are hidden ones.
#define SPOOR_ARGP_OPTIONS \
    {"help", '?', none}, {"usage", 0, none}, {"program-name", 0, required}, { "HANG", 0, Argument::optional }

constexpr std::array global_options = std::to_array<OptionSpec>({
    {"debug", 0, none},
    {"cgroup-manager", 0, required},
    {"systemd-cgroup", 0, none},
    {"log", 0, required},
    {"log-format", 0, required},
    {"log-level", 0, required},
    {"root", 0, required},
    {"rootless", 0, required},
    {"version", 'v', none},
    {"version", 'V', none},
    {"criu", 0, required, true},
    SPOOR_ARGP_OPTIONS,
});

constexpr std::array create_options = std::to_array<OptionSpec>({
    {"bundle", 'b', required},
    {"config", 'f', required},
    {"console-socket", 0, required},
    {"no-new-keyring", 0, none},
    {"no-pivot", 0, none},
    {"no-subreaper", 0, none},
    {"pid-file", 0, required},
    {"preserve-fds", 0, required},
    {"no-mount-fallback", 0, none, true},
    {"pidfd-socket", 0, required, true},
    SPOOR_ARGP_OPTIONS,
});

constexpr std::array run_options = std::to_array<OptionSpec>({
    {"bundle", 'b', required},
    {"config", 'f', required},
    {"console-socket", 0, required},
    {"detach", 'd', none},
    {"keep", 0, none},
    {"no-new-keyring", 0, none},
    {"no-pivot", 0, none},
    {"no-subreaper", 0, none},
    {"pid-file", 0, required},
    {"preserve-fds", 0, required},
    {"no-mount-fallback", 0, none, true},
    {"pidfd-socket", 0, required, true},
    SPOOR_ARGP_OPTIONS,
});

constexpr std::array restore_options = std::to_array<OptionSpec>({
    {"bundle", 'b', required},
    {"console-socket", 0, required},
    {"detach", 'd', none},
    {"ext-unix-sk", 0, none},
    {"file-locks", 0, none},
    {"image-path", 0, required},
    {"lsm-mount-context", 0, required},
    {"lsm-profile", 0, required},
    {"manage-cgroups-mode", 0, required},
    {"network-lock", 0, none},
    {"pid-file", 0, required},
    {"shell-job", 0, none},
    {"tcp-close", 0, none},
    {"tcp-established", 0, none},
    {"work-path", 0, required},
    {"auto-dedup", 0, none, true},
    {"empty-ns", 0, required, true},
    {"lazy-pages", 0, none, true},
    {"no-pivot", 0, none, true},
    {"no-subreaper", 0, none, true},
    SPOOR_ARGP_OPTIONS,
});

#undef SPOOR_ARGP_OPTIONS

// These end crun at once, whatever follows.
bool ends_at_once(std::string_view name) {
    return name == "help" || name == "usage" || name == "version" || name == "HANG";
}

struct VerbSpec {
    std::string_view name;
    CommandLine::Verb verb;
    std::span<const OptionSpec> options;
};

const VerbSpec* find_verb(std::string_view name) {
    static constexpr std::array verbs = std::to_array<VerbSpec>({
        {"create", CommandLine::Verb::create, create_options},
        {"run", CommandLine::Verb::run, run_options},
        {"restore", CommandLine::Verb::restore, restore_options},
    });
    for (const auto& verb : verbs)
        if (verb.name == name) return &verb;
    return nullptr;
}

using OnOption = std::function<bool(const OptionSpec&, std::string_view)>;

std::optional<OptionsEnd> read_globals(std::span<const char* const> argv, Dialect dialect,
                                       const OnOption& found) {
    return dialect == Dialect::runc ? read_go_options(global_options, argv, 1, found)
                                    : read_options(global_options, argv, 1, found);
}

// The options of a verb and the words that are none.
struct VerbWords {
    size_t options_end = 0;
    std::vector<const char*> words;
};

std::optional<VerbWords> read_verb(const VerbSpec& verb, std::span<const char* const> argv, size_t begin,
                                   Dialect dialect, const OnOption& found) {
    VerbWords out;
    for (size_t i = begin;;) {
        const auto end = dialect == Dialect::runc ? read_go_options(verb.options, argv, i, found)
                                                  : read_options(verb.options, argv, i, found);
        if (!end) return std::nullopt;
        out.options_end = end->options_end;
        const bool all_words = dialect == Dialect::crun || end->words > end->options_end;  // "--"
        for (i = end->words; i < argv.size() && (all_words || i == end->words); ++i)
            out.words.push_back(argv[i]);
        if (i >= argv.size()) {
            if (!all_words) out.options_end = argv.size();
            return out;
        }
    }
}

}  // namespace

std::optional<CommandLine> parse_command_line(std::span<const char* const> argv, Dialect dialect) {
    CommandLine line;
    const auto globals = read_globals(argv, dialect, [&](const OptionSpec& option, auto value) {
        if (option.name == "log") line.log = value;
        if (option.name == "log-format") line.log_format = value;
        return !ends_at_once(option.name);
    });
    if (!globals || globals->words >= argv.size()) return std::nullopt;
    const VerbSpec* verb = find_verb(argv[globals->words]);
    if (verb == nullptr) return std::nullopt;
    line.verb = verb->verb;
    line.verb_index = globals->words;

    const auto rest =
        read_verb(*verb, argv, line.verb_index + 1, dialect, [&](const OptionSpec& option, auto value) {
            if (option.name == "bundle") {
                line.bundle = value;
                line.bundle_by_letter = option.by_letter;
            }
            if (option.name == "config") line.config = value;
            return !ends_at_once(option.name);
        });
    if (!rest || rest->words.empty()) return std::nullopt;
    if (rest->words.size() > (verb->verb == CommandLine::Verb::restore ? 2u : 1u)) return std::nullopt;
    line.options_end = rest->options_end;
    line.container_id = rest->words.front();
    return line;
}

LogDestination parse_log_destination(std::span<const char* const> argv, Dialect dialect) {
    LogDestination destination;
    // Where the options go wrong the rest is unknown; what was read until then holds.
    (void)read_globals(argv, dialect, [&](const OptionSpec& option, auto value) {
        if (option.name == "log") destination.log = value;
        if (option.name == "log-format") destination.format = value;
        return true;
    });
    return destination;
}

}  // namespace spoor
