// Options as argp (crun) and as Go's flag package (runc) read them. Private to this room.
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
    // Of an option that was found: it stood there by its letter. (Of no meaning in a table.)
    bool by_letter = false;
};

struct OptionsEnd {
    size_t options_end = 0;  // the first word after the options: `--`, a word, or the end
    size_t words = 0;        // the first word that is no option and no `--`
};

// As argp does, in order, up to the first word that is no option. Reads argv from `begin`. Calls `found` with
// the option and its value ("" without one); it may return false to stop. Nothing if an option is unknown,
// ambiguous or lacks its value, or on stop.
std::optional<OptionsEnd> read_options(std::span<const OptionSpec> known, std::span<const char* const> argv,
                                       size_t begin,
                                       const std::function<bool(const OptionSpec&, std::string_view)>& found);

// As Go's flag package does, up to the first word that is no option: one dash or two, full names only, no
// letters together, a value after "=" or, unless it is an option without one, in the next word.
std::optional<OptionsEnd> read_go_options(
    std::span<const OptionSpec> known, std::span<const char* const> argv, size_t begin,
    const std::function<bool(const OptionSpec&, std::string_view)>& found);

}  // namespace spoor
