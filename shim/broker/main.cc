// spoord: the broker. The only part of spoor with a privilege (CAP_BPF and CAP_PERFMON); see
// docs/broker-protocol.md for what its peers can ask.
#include <fcntl.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/files.h"
#include "shim/broker/privileges.h"
#include "shim/broker/refusal.h"
#include "shim/broker/server.h"

namespace {

using namespace spoor;

constexpr int first_passed_fd = 3;
// Where the programs cannot be loaded: how long after the last question to try it anew, by a new start.
constexpr std::chrono::seconds refuse_for{30};
constexpr std::chrono::seconds refuse_private_for{2};

// The socket that systemd (or a recorder that starts a private broker) has bound for us:
// sd_listen_fds(3).
UniqueFd passed_listener() {
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    if (!pid || !count || std::to_string(::getpid()) != pid || std::string(count) != "1") return UniqueFd();
    ::fcntl(first_passed_fd, F_SETFD, FD_CLOEXEC);
    return UniqueFd(first_passed_fd);
}

std::string path_of(const UniqueFd& listener) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&storage), &size) < 0 ||
        size <= sizeof(sa_family_t))
        return {};
    const char* path = reinterpret_cast<const char*>(&storage) + sizeof(sa_family_t);
    return {path, ::strnlen(path, size - sizeof(sa_family_t))};
}

Status run(const std::string& socket_path, bool end_with_last, const bpf::TracerLimits& limits,
           broker::ServerOptions options) {
    UniqueFd listener = passed_listener();
    if (listener) {
        options.socket_path = path_of(listener);
    } else {
        if (auto slash = socket_path.rfind('/'); slash != std::string::npos && slash > 0)
            SPOOR_TRY(make_directories(socket_path.substr(0, slash), 0755));
        auto bound = broker::listen_at(socket_path);
        if (!bound) return std::move(bound).error();
        listener = std::move(*bound);
        options.socket_path = socket_path;
    }
    options.end_with_last = end_with_last;
    SPOOR_TRY(broker::keep_bpf_capabilities_only());
    auto tracer =
        bpf::Tracer::load(limits, [](const std::string& line) { spdlog::debug("libbpf: {}", line); });
    if (!tracer) {
        // Whoever asks is told, instead of waiting for an answer that never comes.
        spdlog::error("{}", tracer.error().message);
        SPOOR_TRY(broker::refuse_all(std::move(listener), tracer.error().message,
                                     end_with_last ? refuse_private_for : refuse_for));
        return std::move(tracer).error();
    }
    spdlog::info("ready at {}", options.socket_path);
    Status served = broker::serve(std::move(listener), **tracer, options);
    if (!end_with_last && !std::getenv("LISTEN_FDS")) ::unlink(options.socket_path.c_str());
    return served;
}

// What the verifier takes for each program on this kernel: a line each, tab-separated.
Status check(const bpf::TracerLimits& limits) {
    auto costs =
        bpf::Tracer::check(limits, [](const std::string& line) { spdlog::warn("libbpf: {}", line); });
    if (!costs) return std::move(costs).error();
    std::printf("program\tinstructions\tstates\n");
    for (const bpf::VerifierCost& cost : *costs)
        std::printf("%s\t%ju\t%ju\n", cost.program.c_str(), uintmax_t{cost.instructions},
                    uintmax_t{cost.states});
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("spoord: loads spoor's BPF programs and hands a ring to who may trace a cgroup", "spoord");
    std::string socket_path = broker::default_socket;
    std::string level = "info";
    bool end_with_last = false;
    bool check_only = false;
    bpf::TracerLimits limits;
    broker::ServerOptions options;
    app.set_version_flag("--version", std::string("spoord ") + SPOOR_VERSION);
    app.add_option("--socket", socket_path, "listen here (not used with socket activation)")
        ->capture_default_str();
    app.add_flag("--private", end_with_last, "end with the last connection");
    app.add_flag("--check", check_only,
                 "load the programs, print what the kernel's verifier took for each, and end");
    app.add_option("--max-ring", options.quota.ring_bytes_max, "largest ring of a container, in bytes")
        ->capture_default_str()
        ->check(CLI::Range(65536u, 1u << 30));
    app.add_option("--max-processes", limits.processes, "processes recorded at once")->capture_default_str();
    app.add_option("--dedupe-entries", limits.seen, "size of the kernel's table of reported accesses")
        ->capture_default_str();
    app.add_option("--log-level", level, "debug, info, warn or error")
        ->capture_default_str()
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
    CLI11_PARSE(app, argc, argv);

    spdlog::set_default_logger(spdlog::stderr_color_st("spoord"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    spdlog::set_level(spdlog::level::from_str(level));
    Status ran = check_only ? check(limits) : run(socket_path, end_with_last, limits, options);
    if (!ran) {
        spdlog::error("{}", ran.error().message);
        return 1;
    }
    return 0;
}
