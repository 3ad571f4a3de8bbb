// spoor-deliver's log: the recorder's file (log.file), with lines of its own. No token and no URL beyond its
// host ever comes here: callers pass what delivery.h calls free of secrets.
#pragma once

#include <memory>
#include <string>

#include "shim/ipc/delivery_settings.h"

namespace spdlog {
class logger;
}

namespace spoor {

class DeliverLog {
public:
    DeliverLog() = default;  // silent
    // One that cannot be opened is silent.
    static DeliverLog open(const DeliverySettings& settings);
    void info(const std::string& line) const;
    void warn(const std::string& line) const;

private:
    std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace spoor
