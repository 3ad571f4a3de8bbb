// How long to wait before the next try: exponential with full jitter, so that a fleet of nodes that lost
// one server at one moment does not come back to it at one moment.
#pragma once

#include <algorithm>
#include <cstdint>

namespace spoor {

// After the `failures`-th failure in a row (1: the first): somewhere from 0 to min * 2^(failures-1), but
// never past `max`. `chance` is from 0 to 1.
[[nodiscard]] inline uint64_t backoff_ms(unsigned failures, uint64_t min_ms, uint64_t max_ms, double chance) {
    uint64_t ceiling = std::min(min_ms, max_ms);
    for (unsigned i = 1; i < failures && ceiling < max_ms; ++i)
        ceiling = ceiling > max_ms / 2 ? max_ms : ceiling * 2;
    return static_cast<uint64_t>(static_cast<double>(ceiling) * std::clamp(chance, 0.0, 1.0));
}

}  // namespace spoor
