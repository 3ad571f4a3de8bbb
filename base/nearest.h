// The known word that a mistyped one was probably meant to be, for error messages.
#pragma once

#include <algorithm>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace spoor {

// Levenshtein distance.
[[nodiscard]] inline size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return row[b.size()];
}

// Empty when `known` is empty. Long input is compared by its beginning: the caller's text may be hostile.
[[nodiscard]] inline std::string_view nearest(std::string_view word,
                                              std::span<const std::string_view> known) {
    word = word.substr(0, 64);
    const auto best = std::min_element(known.begin(), known.end(), [word](auto a, auto b) {
        return edit_distance(word, a) < edit_distance(word, b);
    });
    return best == known.end() ? std::string_view() : *best;
}

}  // namespace spoor
