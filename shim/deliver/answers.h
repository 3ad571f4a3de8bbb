// What servers answer, read with suspicion.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace spoor {

// Of the URL-minting endpoint: {"url": "https://…", "headers": {"name": "value"}}.
struct Minted {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;  // that the store asks for, at most 16
};
// Refused: a URL that base/url.h refuses, a header that would change what is sent or where it goes.
// The error quotes nothing of the answer.
Result<Minted> parse_minted(std::string_view json);

// Of an OTLP collector: how many log records it has not taken. Anything else than a partial success is 0.
[[nodiscard]] uint64_t rejected_log_records(std::string_view json);

// What is in a token file: one line of visible ASCII, blanks around it dropped.
Result<std::string> parse_token(std::string_view text);

}  // namespace spoor
