#include "shim/broker/metrics_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "base/atomic_file.h"
#include "base/files.h"
#include "config/values.h"

namespace spoor::broker {
namespace {

using std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(2);
constexpr size_t largest_request = 8192;

int milliseconds_to(steady_clock::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - steady_clock::now());
    return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

bool wait_for(int fd, short events, steady_clock::time_point end) {
    pollfd item{fd, events, 0};
    return ::poll(&item, 1, milliseconds_to(end)) == 1;
}

Result<gid_t> group_id(const std::string& group) {
    if (const auto number = parse_number(group); number && *number < UINT32_MAX)
        return static_cast<gid_t>(*number);
    const struct group* entry = ::getgrnam(group.c_str());
    if (entry == nullptr) return Error{ENOENT, "metrics.group: there is no group " + group};
    return entry->gr_gid;
}

// The head of a request, as far as it came; empty: none.
std::string read_head(int client, steady_clock::time_point end) {
    std::string head;
    char buffer[2048];
    while (head.find("\r\n\r\n") == std::string::npos && head.size() < largest_request &&
           wait_for(client, POLLIN, end)) {
        const ssize_t got = ::recv(client, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got <= 0) return "";
        head.append(buffer, static_cast<size_t>(got));
    }
    return head;
}

std::string response(const char* status, const std::string& body, const char* type, bool with_body) {
    return std::string("HTTP/1.1 ") + status + "\r\nContent-Type: " + type +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
           (with_body ? body : "");
}

}  // namespace

MetricsServer::~MetricsServer() {
    if (thread_.joinable()) {
        const uint64_t one = 1;
        (void)!::write(end_.get(), &one, sizeof one);
        thread_.join();
    }
    if (!options_.socket.empty() && !listeners_.empty()) ::unlink(options_.socket.c_str());
}

Status MetricsServer::bind(const Config::Metrics& options) {
    options_ = options;
    if (!options_.socket.empty()) SPOOR_TRY(bind_socket());
    if (!options_.listen.empty()) SPOOR_TRY(bind_loopback());
    if (options_.textfile.empty()) return {};
    auto dir = open_file(options_.textfile.substr(0, options_.textfile.rfind('/') + 1), O_PATH | O_DIRECTORY);
    if (!dir) return std::move(dir).error().context("metrics.textfile");
    textfile_dir_ = std::move(*dir);
    return {};
}

// Nobody else gets in between: the name appears with its final mode, by the umask.
Status MetricsServer::bind_socket() {
    const std::string& path = options_.socket;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{ENAMETOOLONG, path + ": longer than a unix socket's path may be (107 bytes)"};
    path.copy(address.sun_path, path.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return errno_error("socket");
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(path.c_str());
    const mode_t before = ::umask(0177);
    const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int problem = errno;
    ::umask(before);
    if (bound < 0) return errno_error("metrics.socket " + path, problem);
    if (!options_.group.empty()) {
        const auto group = group_id(options_.group);
        if (!group) return group.error();
        if (::chown(path.c_str(), static_cast<uid_t>(-1), *group) < 0 || ::chmod(path.c_str(), 0660) < 0)
            return errno_error("give " + path + " to group " + options_.group);
    }
    if (::listen(socket.get(), 16) < 0) return errno_error(path);
    listeners_.push_back(std::move(socket));
    return {};
}

Status MetricsServer::bind_loopback() {
    const std::string& name = options_.listen;
    const auto port = parse_number(std::string_view(name).substr(name.rfind(':') + 1)).value_or(0);
    const bool six = name.starts_with('[');
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4.sin_port = htons(static_cast<uint16_t>(port));
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    v6.sin6_port = v4.sin_port;
    UniqueFd socket(::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return errno_error("metrics.listen " + name);
    const int on = 1;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto* address =
        six ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
    if (::bind(socket.get(), address, six ? sizeof v6 : sizeof v4) < 0 || ::listen(socket.get(), 16) < 0)
        return errno_error("metrics.listen " + name);
    listeners_.push_back(std::move(socket));
    return {};
}

Status MetricsServer::start(Text text) {
    if (!wanted()) return {};
    text_ = std::move(text);
    end_.reset(::eventfd(0, EFD_CLOEXEC));
    if (!end_) return errno_error("eventfd");
    sigset_t all, before;  // signals are for the caller's thread
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return {};
}

void MetricsServer::run() {
    const bool writes = !options_.textfile.empty();
    auto due = steady_clock::now();
    for (;;) {
        if (writes && steady_clock::now() >= due) {
            write_textfile();
            due = steady_clock::now() + options_.interval;
        }
        std::vector<pollfd> items{{end_.get(), POLLIN, 0}};
        for (const UniqueFd& listener : listeners_) items.push_back({listener.get(), POLLIN, 0});
        if (::poll(items.data(), items.size(), writes ? milliseconds_to(due) : -1) < 0) continue;
        if (items.front().revents != 0) break;
        for (const pollfd& item : items) {
            if (item.revents == 0) continue;
            UniqueFd client(::accept4(item.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (client) answer(std::move(client));
        }
    }
    if (writes) write_textfile();
}

void MetricsServer::answer(UniqueFd client) {
    const auto end = steady_clock::now() + patience;
    const std::string head = read_head(client.get(), end);
    if (head.empty()) return;
    const std::string line = head.substr(0, head.find("\r\n"));
    const bool only_head = line.starts_with("HEAD ");
    const size_t target = line.find(' ') + 1;
    const std::string path = line.substr(target, line.find_first_of(" ?", target) - target);
    std::string answer;
    if (head.find("\r\n\r\n") == std::string::npos)
        answer = response("400 Bad Request", "no request of at most 8 KiB\n", "text/plain", true);
    else if (!line.starts_with("GET ") && !only_head)
        answer = response("405 Method Not Allowed", "GET or HEAD\n", "text/plain", true);
    else if (path != "/metrics")
        answer = response("404 Not Found", "/metrics\n", "text/plain", !only_head);
    else
        answer = response("200 OK", text_(), "text/plain; version=0.0.4; charset=utf-8", !only_head);
    std::string_view rest = answer;
    while (!rest.empty() && wait_for(client.get(), POLLOUT, end)) {
        const ssize_t put = ::send(client.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put <= 0) return;
        rest.remove_prefix(static_cast<size_t>(put));
    }
}

void MetricsServer::write_textfile() {
    const std::string name = options_.textfile.substr(options_.textfile.rfind('/') + 1);
    const auto written = write_file_atomically_at(textfile_dir_.get(), name, text_(), 0644);
    if (!written && !textfile_failed_) spdlog::warn("metrics.textfile: {}", written.error().message);
    textfile_failed_ = !written;
}

}  // namespace spoor::broker
