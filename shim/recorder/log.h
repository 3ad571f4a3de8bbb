// The recorder's own log, for whoever runs spoor. Silent unless the job names a file.
#pragma once

#include <memory>
#include <string>

#include "shim/ipc/job.h"

namespace spdlog {
class logger;
}

namespace spoor {

class Log {
public:
    // A log that cannot be opened is silent: it is no reason to leave a container untraced.
    static Log open(const Job& job);

    void debug(const std::string& line) const;
    void info(const std::string& line) const;
    void warn(const std::string& line) const;

private:
    std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace spoor
