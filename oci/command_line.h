// The command line of crun, as far as spoor must understand it: which verb, which container, which
// bundle, and where an option of ours can be put in.
//
// crun parses with argp in order: options before the verb, the verb, options of the verb, the ID.
// Options may be abbreviated, written `--x=y`, `--x y`, `-xy` or `-x y`; `--` ends them.
//
// runc parses with Go's flag package: `-x` and `--x` are the same, nothing is abbreviated, and a verb's
// options may stand behind the ID as well.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace spoor {

enum class Dialect { crun, runc };

struct CommandLine {
    enum class Verb { create, run, restore } verb = Verb::create;
    std::string container_id;
    std::string bundle = ".";            // as given
    bool bundle_by_letter = false;       // as -b, to runc, which takes one form only
    std::string config = "config.json";  // as given; restore knows no other
    std::string log;                     // as given; empty: none
    std::string log_format = "text";
    size_t verb_index = 0;   // in argv
    size_t options_end = 0;  // in argv: an option put before it is the verb's last
};

// What spoor has to act upon, or nothing: another verb, a request for help, or anything that the runtime
// itself must judge (it prints its own usage error). `argv` includes argv[0].
std::optional<CommandLine> parse_command_line(std::span<const char* const> argv,
                                              Dialect dialect = Dialect::crun);

// What of --log and --log-format can be read from any command line: for an error of spoor's own.
struct LogDestination {
    std::string log;
    std::string format = "text";
};
LogDestination parse_log_destination(std::span<const char* const> argv, Dialect dialect = Dialect::crun);

}  // namespace spoor
