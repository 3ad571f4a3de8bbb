// Reading what another process says of itself, for as long as one is ready to wait for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace spoor {

struct PipeText {
    std::string text;
    bool in_time = true;  // false: `end` came before all else that ends it
};

// What comes through `fd` until nobody can write to it any more, `limit` bytes or the character `stop` have
// come, or `end` has. A failed read ends it as well.
PipeText read_pipe(int fd, std::chrono::steady_clock::time_point end, size_t limit,
                   std::optional<char> stop = std::nullopt);

}  // namespace spoor
