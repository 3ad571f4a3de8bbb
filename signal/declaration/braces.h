// Brace expansion as npm's brace-expansion does it, which is bash's: `a{b,c{d,e}}` and the ranges
// `{1..9}`, `{01..10..3}`, `{a..e}`. What cannot be expanded (`{a}`, `{a,b`, `${a,b}`) stays as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor {

// Both are an error when passed, not a truncation: half of a declaration would be wrong silently.
struct BraceLimits {
    size_t most = 10'000;             // results
    size_t most_bytes = 1024 * 1024;  // of all results together
    size_t most_work = 4'000'000;     // bytes looked at or written, about a nanosecond each
};

// Without repeats, in order. If anything in `pattern` looks like a brace group, the escapes `\\`, `\{`,
// `\}`, `\,` and `\.` are taken off by this step, as there; all others stay. `work_left` is what a whole set
// of patterns may still cost; it is reduced by what this one did.
Result<std::vector<std::string>> expand_braces(std::string_view pattern, const BraceLimits& limits,
                                               size_t& work_left);

}  // namespace spoor
