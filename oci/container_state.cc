#include "oci/container_state.h"

#include <climits>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace spoor {

Result<int> parse_state_pid(std::string_view json) {
    const auto value = nlohmann::json::parse(json, nullptr, false);
    if (!value.is_object()) return Error{EINVAL, "the container's state on stdin is no JSON object"};
    const auto pid = value.find("pid");
    if (pid == value.end() || !pid->is_number_unsigned())
        return Error{EINVAL, "the container's state has no pid"};
    const auto number = pid->get<uint64_t>();
    if (number == 0 || number > INT_MAX) return Error{EINVAL, "the container's state has no usable pid"};
    return static_cast<int>(number);
}

}  // namespace spoor
