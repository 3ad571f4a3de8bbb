// The words that stand in the volume's files for operations, flags, errors and coverage.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "signal/event.h"

namespace spoor {

inline constexpr int last_op = static_cast<int>(Op::bind);

// "read", …, "delete", "mmap-exec"; "unknown" for a number that is none.
[[nodiscard]] std::string_view name_of(Op op);
[[nodiscard]] std::optional<Op> op_named(std::string_view name);

// The flags that are shown, in ascending order of their bits: calls `take(name)` for each.
// flag_sockaddr is between the kernel side and the decoder and has no name.
template <class Take>
void for_each_flag(uint16_t flags, Take take) {
    constexpr struct {
        uint16_t bit;
        std::string_view name;
    } names[] = {
        {flag_lexical, "lexical"},     {flag_truncated, "truncated"},     {flag_deleted, "deleted"},
        {flag_inherited, "inherited"}, {flag_unreachable, "unreachable"}, {flag_directory, "directory"},
        {flag_open, "open"},           {flag_intent, "intent"},           {flag_nofollow, "nofollow"},
        {flag_exchange, "exchange"},   {flag_memory, "memory"},           {flag_refused, "refused"},
    };
    for (const auto& entry : names)
        if (flags & entry.bit) take(entry.name);
}

// "ENOENT"; the number for one that has no name.
[[nodiscard]] std::string errno_name(int error);

}  // namespace spoor
