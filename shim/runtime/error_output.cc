#include "shim/runtime/error_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/files.h"

namespace spoor {
namespace {

// crun's log names: PATH, file:PATH, and two kinds that are no file.
std::optional<std::string> log_file(const std::string& log) {
    if (log.starts_with("file:")) return log.substr(5);
    if (log.empty() || log.find(':') != std::string::npos) return std::nullopt;
    return log;
}

std::string text_line(int fd, const std::string& message) {
    if (::isatty(fd) == 0) return message;
    return "\x1b[1;31m" + rfc3339(wall_time_ns()) + ": " + message + "\x1b[0m";
}

void write_line(int fd, const std::string& line) {
    (void)write_all(fd, line + "\n");  // one write: lines of several processes stay whole
}

std::string one_line(std::string message) {
    std::replace_if(
        message.begin(), message.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return message;
}

}  // namespace

std::string json_error_line(const std::string& message) {
    const nlohmann::ordered_json line = {
        {"msg", message}, {"level", "error"}, {"time", rfc3339(wall_time_ns())}};
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void report_error(const LogDestination& destination, const std::string& raw) {
    const std::string message = one_line("spoor: " + raw);
    const bool json = destination.format == "json";
    if (destination.log.empty()) {
        write_line(STDERR_FILENO, json ? json_error_line(message) : text_line(STDERR_FILENO, message));
        return;
    }
    write_line(STDERR_FILENO, text_line(STDERR_FILENO, message));
    const auto path = log_file(destination.log);
    if (!path) return;
    const auto file = open_file(*path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0666);
    if (file) write_line(file->get(), json ? json_error_line(message) : text_line(file->get(), message));
}

}  // namespace spoor
