#include "shim/deliver/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace spoor {
namespace {

// Ids of containers and tasks are a tenant's.
std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
        '?');
    return text;
}

}  // namespace

DeliverLog DeliverLog::open(const DeliverySettings& settings) {
    DeliverLog log;
    if (settings.log_file.empty()) return log;
    try {
        auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(settings.log_file);
        log.logger_ = std::make_shared<spdlog::logger>("deliver", std::move(sink));
        log.logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%e deliver %l: %v");
        log.logger_->set_level(spdlog::level::from_str(settings.log_level));
        log.logger_->flush_on(spdlog::level::debug);
    } catch (const spdlog::spdlog_ex&) {
        log.logger_.reset();
    }
    return log;
}

void DeliverLog::info(const std::string& line) const {
    if (logger_) logger_->info("{}", one_line(line));
}

void DeliverLog::warn(const std::string& line) const {
    if (logger_) logger_->warn("{}", one_line(line));
}

}  // namespace spoor
