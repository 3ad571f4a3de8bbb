#include "shim/ipc/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace spoor {
namespace {

std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
        '?');
    return text;
}

}  // namespace

Log Log::open(const std::string& file, const std::string& level, const std::string& who) {
    Log log;
    if (file.empty()) return log;
    try {
        auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(file);
        log.logger_ = std::make_shared<spdlog::logger>(one_line(who), std::move(sink));
        log.logger_->set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
        log.logger_->set_level(spdlog::level::from_str(level));
        log.logger_->flush_on(spdlog::level::debug);
    } catch (const spdlog::spdlog_ex&) {
        log.logger_.reset();
    }
    return log;
}

void Log::debug(const std::string& text) const {
    if (logger_) logger_->debug("{}", one_line(text));
}

void Log::info(const std::string& text) const {
    if (logger_) logger_->info("{}", one_line(text));
}

void Log::warn(const std::string& text) const {
    if (logger_) logger_->warn("{}", one_line(text));
}

}  // namespace spoor
