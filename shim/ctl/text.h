// Bytes from a volume, made fit for a terminal. Names in a trail are chosen by the workload: they
// may hold control sequences, newlines and broken UTF-8, and none of these may reach a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace spoor::ctl {

// Valid printable UTF-8 stays; control characters, format characters that reorder text, and bytes
// that are no UTF-8 become \n, \t or \xNN. A backslash stays as it is.
[[nodiscard]] std::string printable(std::string_view bytes);

// Columns that `text` takes on a terminal. `text` is the output of printable().
[[nodiscard]] size_t display_width(std::string_view text);

// Cuts to at most `columns`, with "…" in the place of what is missing. The middle form keeps both
// ends, which is what tells paths apart.
[[nodiscard]] std::string cut_end(std::string_view text, size_t columns);
[[nodiscard]] std::string cut_middle(std::string_view text, size_t columns);

// "1 process", "2 processes".
[[nodiscard]] std::string counted(size_t number, std::string_view one, std::string_view many);

}  // namespace spoor::ctl
