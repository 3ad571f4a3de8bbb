#include "shim/recorder/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

namespace spoor {

Log Log::open(const Job& job) {
    Log log;
    if (job.log_file.empty()) return log;
    try {
        auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(job.log_file);
        log.logger_ = std::make_shared<spdlog::logger>(job.container_id, std::move(sink));
        log.logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%e recorder %l %n: %v");
        log.logger_->set_level(spdlog::level::from_str(job.log_level));
        log.logger_->flush_on(spdlog::level::debug);
    } catch (const spdlog::spdlog_ex&) {
        log.logger_.reset();
    }
    return log;
}

void Log::debug(const std::string& line) const {
    if (logger_) logger_->debug("{}", line);
}

void Log::info(const std::string& line) const {
    if (logger_) logger_->info("{}", line);
}

void Log::warn(const std::string& line) const {
    if (logger_) logger_->warn("{}", line);
}

}  // namespace spoor
