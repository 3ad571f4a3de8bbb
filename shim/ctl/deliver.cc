#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "config/config.h"
#include "shim/ctl/commands.h"
#include "shim/ctl/host.h"
#include "shim/ctl/text.h"
#include "shim/ipc/configured_delivery.h"
#include "shim/ipc/spool.h"

namespace spoor::ctl {
namespace {

constexpr size_t failures_shown = 20;

// As the runtime program has it.
std::string state_root_of(const Config& config) {
    if (!config.state_root.empty()) return config.state_root;
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    return runtime != nullptr && runtime[0] == '/' ? std::string(runtime) + "/spoor" : "/run/spoor";
}

std::string deliverer_of(const Config& config) {
    if (!config.delivery.program.empty()) return config.delivery.program;
    if (auto beside = find_program("spoor-deliver", true)) return *beside;
    return "/usr/libexec/spoor/spoor-deliver";
}

std::string bytes_text(uint64_t bytes) {
    if (bytes >= 10u << 20) return std::to_string(bytes >> 20) + " MiB";
    if (bytes >= 10u << 10) return std::to_string(bytes >> 10) + " KiB";
    return counted(bytes, "byte", "bytes");
}

std::string time_text(uint64_t unix_ms) {
    const auto seconds = static_cast<time_t>(unix_ms / 1000);
    tm utc{};
    char text[32] = "?";
    if (::gmtime_r(&seconds, &utc) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

void line(const char* topic, const std::string& text) {
    std::printf("%-10s %s\n", topic, printable(text).c_str());
}

int show_status(const Spool& spool) {
    auto queue = spool.queue();
    if (!queue) {
        complain(queue.error().message);
        return exit_failure;
    }
    uint64_t bytes = 0;
    for (const auto& entry : *queue) bytes += entry.bytes;
    line("spool", spool.path());
    std::string waiting = counted(queue->size(), "item", "items") + ", " + bytes_text(bytes);
    if (!queue->empty()) waiting += ", the oldest of " + time_text(queue->front().created_ms);
    line("waiting", waiting);
    const bool at_work = !spool.lock();
    line("deliverer", at_work ? "at work" : "none");
    const SpoolStatus status = spool.status();
    line("last error", status.error.empty() ? "none" : status.error_time + "  " + status.error);
    const auto failures = spool.failures();
    line("given up", counted(failures.size(), "item", "items"));
    size_t from = failures.size() > failures_shown ? failures.size() - failures_shown : 0;
    for (; from < failures.size(); ++from) {
        const SpoolFailure& failure = failures[from];
        line("", failure.time + "  " + (failure.kind.empty() ? "item" : failure.kind) +
                     (failure.task_id.empty() ? "" : " of task " + failure.task_id) +
                     (failure.container_id.empty() ? "" : " of container " + failure.container_id) + ": " +
                     failure.reason);
    }
    return std::fflush(stdout) == 0 ? 0 : exit_failure;
}

}  // namespace

int deliver_command(const DeliverOptions& options) {
    const LoadedConfig loaded = load_config(ConfigEnvironment::from_process());
    for (const Error& error : loaded.errors) complain(error.message);
    if (!loaded.errors.empty()) return exit_failure;
    DeliverySettings settings =
        delivery_settings(loaded.config, state_root_of(loaded.config), deliverer_of(loaded.config));
    if (!options.spool.empty()) settings.spool = options.spool;

    auto spool = Spool::open_existing(settings.spool);
    if (!spool) {
        if (spool.error().code == ENOENT && options.spool.empty()) {
            line("spool", settings.spool + " is not there: nothing was put into it");
            return 0;
        }
        complain(spool.error().message);
        return exit_failure;
    }
    if (options.status) return show_status(*spool);
    // What the recorders have left there stays if nothing is configured here: their files may be others.
    if (settings.on())
        if (auto set = spool->set_settings(settings, true); !set) {
            complain(set.error().message);
            return exit_failure;
        }
    const char* arguments[] = {settings.program.c_str(), "--spool", settings.spool.c_str(),
                               options.once ? "--once" : nullptr, nullptr};
    ::execv(settings.program.c_str(), const_cast<char* const*>(arguments));
    complain(errno_error(settings.program).message);
    return exit_failure;
}

}  // namespace spoor::ctl
