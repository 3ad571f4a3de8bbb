// For the sources of this room only: JSON as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace spoor {

// On one line. Invalid UTF-8 becomes U+FFFD: spoor refuses such paths before it makes a job, so this only
// keeps a stray byte in a log setting from becoming an exception.
inline std::string dump_json(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace spoor
