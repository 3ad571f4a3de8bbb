// Lists of patterns, compiled together to a table that the kernel's programs walk (base/path_table.h): what a
// path may be used for, in time proportional to its length, for a walker that has neither memory nor trust.
//
// It is PathTree made final: the tree's sets of nodes become numbered places, found by following every class
// of names and every name that is spelled, and the automaton of names is explored to its end. The answers are
// PatternSet's, to the pattern. The price of being final is size, and what grows beyond the limits is an
// error: the caller then judges afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "signal/declaration/pattern_set.h"

namespace spoor {

struct PathTableLimits {
    size_t bytes = 512 * 1024;
    size_t name_states = 16 * 1024;
    size_t places = 60'000;  // at most 65,534
    // Pairs of a place's row and a class, or of a place and a name that is spelled there: about a
    // microsecond each.
    size_t work = 400'000;
};

// Which lists match a path: bit 2n for a pattern of list n, bit 2n + 1 for an exception of it.
using ListMatches = uint32_t;
[[nodiscard]] constexpr bool list_matches(ListMatches matches, unsigned list) {
    return (matches >> (2 * list) & 3) == 1;
}

// `lists`: at most 16; all made with `context`; only read. `verdict`: what holds (enum spoor_verdict) for a
// path that they match so. E2BIG: beyond the limits.
Result<std::vector<uint8_t>> compile_path_table(const PatternContext& context,
                                                std::span<const PatternSet* const> lists,
                                                const std::function<unsigned(ListMatches)>& verdict,
                                                const PathTableLimits& limits = {});

// The walk, as the kernel does it. `window` has SPOOR_WINDOW_BYTES; the table begins at `table`. `path` is
// absolute and resolved. 0 for a path that is too deep.
[[nodiscard]] unsigned walk_path_table(std::span<const uint8_t> window, uint32_t table,
                                       std::string_view path);

}  // namespace spoor
