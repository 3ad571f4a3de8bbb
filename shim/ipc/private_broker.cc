#include "shim/ipc/private_broker.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "base/files.h"

extern "C" char** environ;

namespace spoor::broker {
namespace {

constexpr int attempts_max = 5;
constexpr int listen_fd = 3;  // sd_listen_fds(3)

bool nobody_listens(const Error& error) { return error.code == ENOENT || error.code == ECONNREFUSED; }

bool just_ended(const Error& error) { return error.code == ECONNRESET; }

// capget(2) itself: two words are not worth a library in every program that links this room.
bool has_tracing_capabilities() {
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &head, data.data()) < 0) return false;
    auto effective = [&](unsigned capability) {
        return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
    };
    return effective(CAP_BPF) && effective(CAP_PERFMON);
}

// Capabilities in another user namespace do not count for bpf(2).
bool in_initial_user_namespace() {
    auto map = read_file("/proc/self/uid_map", 4096);
    if (!map) return false;
    unsigned long inside = 1, outside = 1, count = 0;
    return std::sscanf(map->c_str(), "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
           outside == 0 && count == 4294967295ul;
}

Status may_start(const Job& job) {
    if (job.broker_program.empty())
        return Error{EPERM, "no spoord at " + job.broker_socket +
                                ", and the configuration forbids a private one: start the spoord service"};
    if (!has_tracing_capabilities() || !in_initial_user_namespace())
        return Error{EPERM,
                     "no spoord at " + job.broker_socket +
                         ", and starting a private one takes CAP_BPF and CAP_PERFMON: start the spoord "
                         "service, or run as root"};
    return {};
}

Result<UniqueFd> take_lock(const std::string& path, Deadline deadline) {
    auto lock = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!lock) return std::move(lock).error();
    // flock(2) has no deadline of its own. It is held for less than a millisecond at a time.
    while (::flock(lock->get(), LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return errno_error(path);
        if (std::chrono::steady_clock::now() >= deadline)
            return Error{ETIMEDOUT, path + ": locked for too long"};
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return lock;
}

// Under the lock. A file of that name is a socket that nobody listens on any more.
Result<UniqueFd> listen_private(const std::string& root, const std::string& path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return errno_error("make a socket");
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) return errno_error(path);
    auto directory = open_file(root, O_PATH | O_DIRECTORY);
    if (!directory) return std::move(directory).error();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // The path itself if it fits: spoord reads it back from the socket, to remove it at its end.
    std::string name = path;
    if (name.size() >= sizeof address.sun_path)
        name = "/proc/self/fd/" + std::to_string(directory->get()) + path.substr(path.rfind('/'));
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    // The file of a socket gets the socket's own mode: no moment at which others could connect.
    if (::fchmod(socket.get(), 0600) < 0) return errno_error(path);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return errno_error(path);
    if (::listen(socket.get(), 1024) < 0) return errno_error(path);
    return socket;
}

// What a child needs between fork and execve, made before: the child allocates nothing.
struct Launch {
    const char* program;
    std::vector<char*> arguments;
    std::vector<char*> environment;
    char* listen_pid;  // where the child's number goes, in one of the environment's strings
    char* listen_pid_end;
    int socket;
    int log;
    int null;
    int report;  // close-on-exec; the errno of a failure goes here
};

[[noreturn]] void run_child(const Launch& launch) {
    // High copies first: the descriptors may stand where others have to go.
    const int report = ::fcntl(launch.report, F_DUPFD_CLOEXEC, 16);
    const int socket = ::fcntl(launch.socket, F_DUPFD, 16);
    const int log = ::fcntl(launch.log, F_DUPFD, 16);
    const int null = ::fcntl(launch.null, F_DUPFD, 16);
    const bool placed = report >= 0 && socket >= 0 && log >= 0 && null >= 0 && ::dup2(null, 0) >= 0 &&
                        ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0 && ::dup2(socket, listen_fd) >= 0;
    if (placed && ::chdir("/") == 0) {
        ::syscall(SYS_close_range, listen_fd + 1, ~0u, CLOSE_RANGE_CLOEXEC);
        for (int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(number, SIG_DFL);
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        *std::to_chars(launch.listen_pid, launch.listen_pid_end, ::getpid()).ptr = '\0';
        ::execve(launch.program, launch.arguments.data(), launch.environment.data());
    }
    const int code = errno;
    [[maybe_unused]] ssize_t put = ::write(report, &code, sizeof code);
    ::_exit(127);
}

Status spawn(const std::string& program, const std::string& root, const UniqueFd& socket) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return errno_error("pipe");
    UniqueFd report(ends[0]), report_writer(ends[1]);
    auto null = open_file("/dev/null", O_RDWR);
    if (!null) return std::move(null).error();
    auto log = open_file(root + "/spoord.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
    if (!log) return std::move(log).error();

    std::string arguments[] = {program, "--private"};
    std::string listen_fds = "LISTEN_FDS=1";
    std::string listen_pid = "LISTEN_PID=" + std::string(16, ' ');
    Launch launch{};
    launch.program = program.c_str();
    launch.arguments = {arguments[0].data(), arguments[1].data(), nullptr};
    for (char** variable = environ; *variable; ++variable)
        if (std::strncmp(*variable, "LISTEN_", 7) != 0) launch.environment.push_back(*variable);
    launch.environment.insert(launch.environment.end(), {listen_fds.data(), listen_pid.data(), nullptr});
    launch.listen_pid = listen_pid.data() + std::strlen("LISTEN_PID=");
    launch.listen_pid_end = listen_pid.data() + listen_pid.size();
    launch.socket = socket.get();
    launch.log = log->get();
    launch.null = null->get();
    launch.report = report_writer.get();

    pid_t middle = ::fork();
    if (middle < 0) return errno_error("fork");
    if (middle == 0) {
        ::setsid();
        pid_t child = ::fork();
        if (child == 0) run_child(launch);
        ::_exit(child < 0 ? 1 : 0);
    }
    report_writer.reset();
    int status = 0;
    while (::waitpid(middle, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) return errno_error("fork", EAGAIN);
    int code = 0;
    ssize_t got = 0;
    while ((got = ::read(report.get(), &code, sizeof code)) < 0 && errno == EINTR) {
    }
    if (got == static_cast<ssize_t>(sizeof code)) return errno_error("start " + program, code);
    return {};
}

// Why a spoord that we started ended: the last line that it wrote.
std::string last_words(const std::string& root) {
    auto log = read_file(root + "/spoord.log", 1024 * 1024);
    if (!log) return {};
    while (!log->empty() && log->back() == '\n') log->pop_back();
    size_t newline = log->rfind('\n');
    std::string line = newline == std::string::npos ? *log : log->substr(newline + 1);
    return line.empty() ? line : ": " + line.substr(0, 300);
}

// One try: the running private spoord, or a new one. `started` says which.
Result<Client> try_private(const Job& job, const std::string& root, Deadline deadline, bool& started) {
    const std::string path = root + "/spoord.sock";
    UniqueFd connection;
    {
        auto lock = take_lock(root + "/spoord.lock", deadline);
        if (!lock) return std::move(lock).error();
        auto socket = connect_socket(path, deadline);
        if (!socket && !nobody_listens(socket.error())) return std::move(socket).error();
        if (!socket) {
            auto listener = listen_private(root, path);
            if (!listener) return std::move(listener).error();
            if (auto spawned = spawn(job.broker_program, root, *listener); !spawned) {
                ::unlink(path.c_str());
                return std::move(spawned).error();
            }
            started = true;
            // Our own descriptor of the listener is still open: this cannot be refused.
            socket = connect_socket(path, deadline);
            if (!socket) return std::move(socket).error();
        }
        connection = std::move(*socket);
    }
    return Client::greet(std::move(connection), deadline);
}

}  // namespace

std::string state_root_of(const Job& job) {
    std::string path = job.state_dir;
    for (int level = 0; level < 2; ++level) {
        while (path.size() > 1 && path.back() == '/') path.pop_back();
        size_t slash = path.rfind('/');
        path.resize(slash == std::string::npos ? 0 : std::max<size_t>(slash, 1));
    }
    return path;
}

Result<Client> connect_or_start_private(const Job& job, Deadline deadline) {
    for (int attempt = 1;; ++attempt) {
        auto client = Client::connect(job.broker_socket, deadline);
        if (client) return client;
        if (just_ended(client.error()) && attempt < attempts_max) continue;
        if (!nobody_listens(client.error())) return std::move(client).error().context("reach spoord");
        break;
    }
    SPOOR_TRY(may_start(job));
    const std::string root = state_root_of(job);
    for (int attempt = 1;; ++attempt) {
        bool started = false;
        auto client = try_private(job, root, deadline, started);
        if (client) return client;
        if (started && just_ended(client.error()))
            return Error{EOPNOTSUPP, "the private spoord could not start" + last_words(root)};
        if (!just_ended(client.error()) || attempt == attempts_max)
            return std::move(client).error().context("reach the private spoord");
    }
}

}  // namespace spoor::broker
