// spoord: the broker. The only part of spoor with a privilege (CAP_BPF and CAP_PERFMON); see
// docs/broker-protocol.md for what its peers can ask.
#include <fcntl.h>
#include <malloc.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/files.h"
#include "config/config.h"
#include "shim/broker/gatekeeper.h"
#include "shim/broker/pins_choice.h"
#include "shim/broker/privileges.h"
#include "shim/broker/refusal.h"
#include "shim/broker/server.h"
#include "shim/broker/system_calls.h"

namespace {

using namespace spoor;

constexpr int first_passed_fd = 3;
constexpr rlim_t descriptors_wanted = 65536;
// Where the programs cannot be loaded: how long after the last question to try it anew, by a new start.
constexpr std::chrono::seconds refuse_for{30};
constexpr std::chrono::seconds refuse_private_for{2};

// The socket that systemd (or a recorder that starts a private broker) has bound for us:
// sd_listen_fds(3). No descriptor: none was passed to this process.
Result<UniqueFd> passed_listener() {
    const char* pid = std::getenv("LISTEN_PID");
    if (!pid || std::to_string(::getpid()) != pid) return UniqueFd();
    const char* count = std::getenv("LISTEN_FDS");
    if (!count || std::string_view(count) != "1")
        return Error{EINVAL,
                     std::string("LISTEN_FDS is ") + (count ? count : "not set") +
                         ": spoord takes one socket (ListenSequentialPacket= of its socket unit), or none"};
    int type = 0, listens = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(first_passed_fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return errno_error("the socket that LISTEN_FDS tells of, descriptor 3");
    (void)::getsockopt(first_passed_fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    if (type != SOCK_SEQPACKET || listens == 0)
        return Error{EINVAL,
                     "descriptor 3, which LISTEN_FDS tells of, is no listening SOCK_SEQPACKET socket"};
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

// The operator's spoor.yaml; without --config it need not be there.
Result<Config> read_policy(const std::string& file) {
    const std::string path = file.empty() ? ConfigEnvironment().system_file : file;
    auto config = load_config_file(path);
    if (!config && file.empty() && (config.error().code == ENOENT || config.error().code == ENOTDIR))
        return Config();
    return config;
}

// What is opened while it can be.
struct Books {
    std::unique_ptr<broker::Audit> audit;  // null: none is asked for
    broker::Metrics metrics;
};

Status open_books(const Config& config, Books& books) {
    SPOOR_TRY(books.metrics.bind(config.metrics));
    if (config.audit.file.empty()) return {};
    auto audit = broker::Audit::open({.file = config.audit.file,
                                      .rotate = config.audit.rotate,
                                      .keep = config.audit.keep,
                                      .start = false});
    if (!audit) return std::move(audit).error();
    books.audit = std::move(*audit);
    return {};
}

std::optional<bpf::HookFamily> family_named(const std::string& name) {
    if (name == "lsm") return bpf::HookFamily::lsm;
    if (name == "fentry") return bpf::HookFamily::fentry;
    if (name == "syscall-exit") return bpf::HookFamily::syscall_exit;
    return std::nullopt;
}

// A connection, a ring and its map each take descriptors; what a user's programs start with is for a few of
// them.
void allow_many_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= descriptors_wanted) return;
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, descriptors_wanted);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Safety {
    std::string pins = "auto";
    bool extra_capabilities = false;
};

Status run(const std::string& socket_path, const std::string& config_file, bool end_with_last,
           const Safety& safety, const bpf::TracerLimits& limits, broker::ServerOptions options) {
    auto config = read_policy(config_file);
    if (!config) return std::move(config).error();
    if (!end_with_last && !safety.extra_capabilities) SPOOR_TRY(broker::refuse_extra_capabilities());
    auto passed = passed_listener();
    if (!passed) return std::move(passed).error();
    auto gatekeepers = broker::start_gatekeepers();
    if (!gatekeepers) return std::move(gatekeepers).error();
    UniqueFd listener = std::move(*passed);
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
    allow_many_descriptors();
    std::unique_ptr<bpf::Tracer> tracer;  // asked by the thread of the metrics, and so gone after it
    Books books;
    SPOOR_TRY(open_books(*config, books));
    SPOOR_TRY(broker::keep_bpf_capabilities_only());
    auto pins = broker::open_pins(end_with_last ? "none" : safety.pins);
    if (!pins) return std::move(pins).error();
    options.leave_sessions = pins->has_value();
    auto loaded = bpf::Tracer::load(
        limits, [](const std::string& line) { spdlog::debug("libbpf: {}", line); }, std::move(*pins));
    if (!loaded) {
        // Whoever asks is told, instead of waiting for an answer that never comes.
        spdlog::error("{}", loaded.error().message);
        SPOOR_TRY(broker::refuse_all(std::move(listener), loaded.error().message,
                                     end_with_last ? refuse_private_for : refuse_for));
        return std::move(loaded).error();
    }
    tracer = std::move(*loaded);
    for (const auto& session : tracer->adopted())
        spdlog::info("adopted session {} of uid {}", session.session, session.owner.uid);
    SPOOR_TRY(broker::keep_map_capability_only());
    broker::Ledger ledger(std::move(config->tenants));
    tracer->keep_ready(ledger.dedupe_sizes());
    // Threads from here on: they have no more than is left.
    tracer->start();
    if (books.audit) books.audit->start();
    options.reload = [&config_file]() -> Result<std::vector<TenantRule>> {
        auto again = read_policy(config_file);
        if (!again) return std::move(again).error();
        return std::move(again->tenants);
    };
    broker::Desk desk(ledger, books.audit.get(), &books.metrics);
    SPOOR_TRY(books.metrics.start([&tracer] { return tracer->programs_attached(); }));
    // Loading takes the kernel's type information, megabytes that the allocator would keep.
    ::malloc_trim(0);
    SPOOR_TRY(broker::keep_needed_system_calls_only());
    spdlog::info("ready at {}", options.socket_path);
    desk.told("start", true, std::string("spoord ") + SPOOR_VERSION);
    Status served = broker::serve(std::move(listener), std::move(*gatekeepers), *tracer, desk, options);
    desk.told("stop", served.has_value(), served ? "" : served.error().message);
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
    std::string family = "auto";
    std::string config_file;
    Safety safety;
    int64_t grace_s = 60;
    int64_t linger_s = 5;
    bool end_with_last = false;
    bool check_only = false;
    bpf::TracerLimits limits;
    broker::ServerOptions options;
    app.set_version_flag("--version", std::string("spoord ") + SPOOR_VERSION);
    app.add_option("--socket", socket_path, "listen here (not used with socket activation)")
        ->capture_default_str();
    app.add_option("--config", config_file,
                   "the operator's spoor.yaml: rules for tenants, audit log, metrics\n"
                   "(default: /etc/spoor/spoor.yaml, if it is there)")
        ->type_name("FILE");
    app.add_flag("--private", end_with_last, "end with the last connection");
    app.add_flag("--check", check_only,
                 "load the programs, print what the kernel's verifier took for each, and end");
    app.add_flag("--allow-extra-capabilities", safety.extra_capabilities,
                 "start with more than CAP_BPF and CAP_PERFMON,\nand give up the others (--private does)");
    app.add_option("--pins", safety.pins,
                   std::string("directory on a bpffs that keeps sessions over a restart;\nauto: ") +
                       broker::default_pins + " if it can be had; or none")
        ->capture_default_str();
    app.add_option("--resume-grace", grace_s, "seconds that adopted sessions wait for their recorders")
        ->capture_default_str()
        ->check(CLI::Range(1, 3600));
    app.add_option("--linger", linger_s, "seconds that the programs stay attached after the last session")
        ->capture_default_str()
        ->check(CLI::Range(0, 3600));
    app.add_option("--max-ring", options.quota.ring_bytes_max,
                   "largest ring of any container, in bytes,\nwhatever the rules say")
        ->capture_default_str()
        ->check(CLI::Range(65536u, 1u << 30));
    app.add_option("--max-processes", limits.processes,
                   "processes recorded at once (default: as many as the\nmachine can have, 32768 to 262144)");
    app.add_option("--family", family,
                   "hook family: lsm, fentry or syscall-exit;\nauto: the first of them that the kernel takes")
        ->capture_default_str()
        ->check(CLI::IsMember({"auto", "lsm", "fentry", "syscall-exit"}));
    app.add_option("--log-level", level, "debug, info, warn or error")
        ->capture_default_str()
        ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
    CLI11_PARSE(app, argc, argv);
    options.resume_grace = std::chrono::seconds(grace_s);
    limits.linger = std::chrono::seconds(linger_s);
    limits.family = family_named(family);

    spdlog::set_default_logger(spdlog::stderr_color_st("spoord"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    spdlog::set_level(spdlog::level::from_str(level));
    Status ran =
        check_only ? check(limits) : run(socket_path, config_file, end_with_last, safety, limits, options);
    if (!ran) {
        spdlog::error("{}", ran.error().message);
        return 1;
    }
    return 0;
}
