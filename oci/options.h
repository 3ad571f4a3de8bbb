// Options as getopt_long and argp read them, in order, up to the first word that is none.
// Private to this room.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace spoor {

enum class Argument { none, required, optional };

struct OptionSpec {
    std::string_view name;
    char letter = 0;  // 0: no short form
    Argument argument = Argument::none;
    // Not of crun but of another runtime: known by its full name, and no party to abbreviations.
    bool foreign = false;
};

struct OptionsEnd {
    size_t options_end = 0;  // the first word after the options: `--`, a word, or the end
    size_t words = 0;        // the first word that is no option and no `--`
};

// Reads argv from `begin`. Calls `found` with the option and its value ("" without one); it may
// return false to stop. Nothing if an option is unknown, ambiguous or lacks its value, or on stop.
std::optional<OptionsEnd> read_options(std::span<const OptionSpec> known, std::span<const char* const> argv,
                                       size_t begin,
                                       const std::function<bool(const OptionSpec&, std::string_view)>& found);

}  // namespace spoor
