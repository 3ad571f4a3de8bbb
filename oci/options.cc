#include "oci/options.h"

#include <algorithm>

namespace spoor {
namespace {

const OptionSpec* find_long(std::span<const OptionSpec> known, std::string_view name) {
    const auto exact =
        std::find_if(known.begin(), known.end(), [name](const auto& o) { return o.name == name; });
    if (exact != known.end()) return &*exact;
    const OptionSpec* match = nullptr;
    for (const auto& option : known) {
        if (option.foreign || !option.name.starts_with(name)) continue;
        if (match != nullptr) return nullptr;
        match = &option;
    }
    return match;
}

const OptionSpec* find_short(std::span<const OptionSpec> known, char letter) {
    const auto it =
        std::find_if(known.begin(), known.end(), [letter](const auto& o) { return o.letter == letter; });
    return it == known.end() ? nullptr : &*it;
}

}  // namespace

std::optional<OptionsEnd> read_options(
    std::span<const OptionSpec> known, std::span<const char* const> argv, size_t begin,
    const std::function<bool(const OptionSpec&, std::string_view)>& found) {
    size_t i = begin;
    while (i < argv.size()) {
        std::string_view word = argv[i];
        if (word == "--") return OptionsEnd{i, i + 1};
        if (word.size() < 2 || word[0] != '-') return OptionsEnd{i, i};
        ++i;

        if (word[1] == '-') {
            word.remove_prefix(2);
            const size_t equals = word.find('=');
            const OptionSpec* option = find_long(known, word.substr(0, equals));
            if (option == nullptr) return std::nullopt;
            std::string_view value;
            if (equals != std::string_view::npos) {
                if (option->argument == Argument::none) return std::nullopt;
                value = word.substr(equals + 1);
            } else if (option->argument == Argument::required) {
                if (i == argv.size()) return std::nullopt;
                value = argv[i++];
            }
            if (!found(*option, value)) return std::nullopt;
            continue;
        }

        for (word.remove_prefix(1); !word.empty();) {
            const OptionSpec* option = find_short(known, word[0]);
            if (option == nullptr) return std::nullopt;
            word.remove_prefix(1);
            std::string_view value;
            if (option->argument != Argument::none) {
                value = word;
                word = {};
                if (value.empty() && option->argument == Argument::required) {
                    if (i == argv.size()) return std::nullopt;
                    value = argv[i++];
                }
            }
            if (!found(*option, value)) return std::nullopt;
        }
    }
    return OptionsEnd{i, i};
}

std::optional<OptionsEnd> read_go_options(
    std::span<const OptionSpec> known, std::span<const char* const> argv, size_t begin,
    const std::function<bool(const OptionSpec&, std::string_view)>& found) {
    for (size_t i = begin; i < argv.size();) {
        std::string_view word = argv[i];
        if (word == "--") return OptionsEnd{i, i + 1};
        if (word.size() < 2 || word[0] != '-') return OptionsEnd{i, i};
        ++i;
        word.remove_prefix(word[1] == '-' ? 2 : 1);
        const size_t equals = word.find('=');
        const std::string_view name = word.substr(0, equals);
        const auto option = std::find_if(known.begin(), known.end(), [name](const OptionSpec& one) {
            return one.name == name || (name.size() == 1 && one.letter == name[0]);
        });
        if (option == known.end()) return std::nullopt;
        std::string_view value;
        if (equals != std::string_view::npos) {
            value = word.substr(equals + 1);
        } else if (option->argument == Argument::required) {
            if (i == argv.size()) return std::nullopt;
            value = argv[i++];
        }
        OptionSpec as_written = *option;
        as_written.by_letter = name != option->name;
        if (!found(as_written, value)) return std::nullopt;
    }
    return OptionsEnd{argv.size(), argv.size()};
}

}  // namespace spoor
