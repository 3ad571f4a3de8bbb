// Where spoor-deliver delivers to: from spoor.yaml to spoor, to the recorder (in its job), and through the
// file settings.json of the spool to spoor-deliver, which looks at it before each try.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spoor {

struct DeliverySettings {
    std::string endpoint;  // URLs; empty: not there
    std::string mint;
    std::string otlp_endpoint;  // without /v1/logs
    std::string token_file, otlp_token_file, ca_file;
    std::vector<std::string> put_hosts;  // host patterns (base/url.h) for URLs of task signals
    std::string spool;                   // directory; empty: nothing is delivered
    std::string program;                 // spoor-deliver
    uint64_t spool_bytes_max = 256u * 1024 * 1024;
    uint64_t max_age_ms = 72ull * 3600 * 1000;
    uint64_t timeout_ms = 60'000;
    uint64_t retry_min_ms = 1000, retry_max_ms = 300'000;
    std::string log_file;  // empty: none
    std::string log_level = "info";

    [[nodiscard]] bool on() const {
        return !spool.empty() &&
               (!endpoint.empty() || !mint.empty() || !otlp_endpoint.empty() || !put_hosts.empty());
    }
    bool operator==(const DeliverySettings&) const = default;
};

std::string to_json(const DeliverySettings& settings);
// Keys that are missing keep their defaults; one of a wrong type is an error.
Result<DeliverySettings> parse_delivery_settings(std::string_view json);

}  // namespace spoor
