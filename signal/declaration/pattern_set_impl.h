// What a PatternSet is made of. Private to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "signal/declaration/name_automaton.h"
#include "signal/declaration/path_tree.h"
#include "signal/declaration/pattern_set.h"

namespace spoor {

class PatternSet::Impl {
public:
    explicit Impl(PatternContext given);
    Impl(const Impl&) = delete;

    struct Expansion {
        std::vector<PathTree::Part> parts;
        bool beneath = false;
        bool plain = true;
    };

    Status add(const std::string& pattern);
    // Without `!` and with the context's words replaced.
    [[nodiscard]] std::string body_of(std::string_view pattern, bool& exception) const;
    Result<Expansion> parse(std::string_view text);
    [[nodiscard]] std::vector<PathTree::Part> as_spelled(std::string_view text) const;

    // Names that are spelled behind a `**` go into the automaton, too: otherwise they would be looked for by
    // name at every place of the tree. Not for sets of any size: the automaton has a limit.
    bool spell_by_automaton = false;

    PatternContext context;
    std::vector<std::string> root;
    NameAutomaton names;
    std::vector<PathTree::Pattern> patterns;
    PathTree tree;
    std::vector<std::string> texts;
    std::vector<bool> literals;
    size_t expansions = 0;
    size_t bytes = 0;
    size_t work_left = 2'000'000'000;
};

}  // namespace spoor
