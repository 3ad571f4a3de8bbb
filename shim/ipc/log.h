// The log of what runs for a container without a terminal: the recorder, spoor-deliver. For whoever runs
// spoor; both append to one file (log.file). No token and no URL beyond its host ever comes here: that is its
// callers' care. Of one thread.
#pragma once

#include <memory>
#include <string>

namespace spdlog {
class logger;
}

namespace spoor {

class Log {
public:
    Log() = default;  // silent

    // `who` stands in each line, `level` is one of spdlog's names. Without a file, and where the file cannot
    // be opened, it is silent: a log is no reason to leave a container untraced or a report undelivered.
    static Log open(const std::string& file, const std::string& level, const std::string& who);

    // One line of the file each, whatever the text holds: names of containers, tasks and files are a
    // tenant's.
    void debug(const std::string& text) const;
    void info(const std::string& text) const;
    void warn(const std::string& text) const;

private:
    std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace spoor
