// spoor.yaml's section `delivery` as spoor-deliver takes it.
#pragma once

#include <string>

#include "config/config.h"
#include "shim/ipc/delivery_settings.h"

namespace spoor {

inline constexpr const char* spool_directory = "spool";  // in the state root

// `program`: the path of spoor-deliver.
inline DeliverySettings delivery_settings(const Config& config, const std::string& state_root,
                                          const std::string& program) {
    const Config::Delivery& from = config.delivery;
    const auto ms = [](std::chrono::milliseconds time) { return static_cast<uint64_t>(time.count()); };
    DeliverySettings to;
    to.endpoint = from.endpoint;
    to.mint = from.put.mint;
    to.otlp_endpoint = from.otlp.endpoint;
    to.token_file = from.token_file;
    to.otlp_token_file = from.otlp.token_file;
    to.ca_file = from.ca_file;
    to.put_hosts = from.put.hosts;
    to.spool = from.spool.empty() ? state_root + "/" + spool_directory : from.spool;
    to.program = program;
    to.spool_bytes_max = from.spool_max;
    to.max_age_ms = ms(from.max_age);
    to.timeout_ms = ms(from.timeout);
    to.retry_min_ms = ms(from.retry_min);
    to.retry_max_ms = ms(from.retry_max);
    to.log_file = config.log.file;
    to.log_level = config.log.level;
    return to;
}

}  // namespace spoor
