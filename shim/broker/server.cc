#include "shim/broker/server.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <unordered_map>

namespace spoor::broker {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{ENAMETOOLONG, path + ": longer than a unix socket's path may be (107 bytes)"};
    path.copy(address.sun_path, path.size());
    return address;
}

Status watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) return errno_error("epoll");
    return {};
}

class Server {
public:
    Server(UniqueFd listener, bpf::Tracer& tracer, const ServerOptions& options)
        : listener_(std::move(listener)),
          tracer_(tracer),
          orphans_(tracer, std::chrono::steady_clock::now() + options.resume_grace),
          options_(options) {}

    Status run();

private:
    void accept_peers();
    [[nodiscard]] int next_timeout_ms() const;

    UniqueFd listener_;
    bpf::Tracer& tracer_;
    Orphans orphans_;
    const ServerOptions& options_;
    UniqueFd epoll_;
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    bool served_any_ = false;
};

Status Server::run() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!signal_fd || !epoll_) return errno_error("set up the event loop");
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    SPOOR_TRY(watch(epoll_.get(), signal_fd.get()));
    SPOOR_TRY(watch(epoll_.get(), listener_.get()));

    for (;;) {
        epoll_event events[64];
        int count = ::epoll_wait(epoll_.get(), events, 64, next_timeout_ms());
        if (count < 0 && errno != EINTR) return errno_error("epoll_wait");
        for (int i = 0; i < count; ++i) {
            int fd = events[i].data.fd;
            if (fd == signal_fd.get()) {
                if (options_.leave_sessions)
                    for (auto& [socket, connection] : connections_) connection->leave();
                return {};
            }
            if (fd == listener_.get()) {
                accept_peers();
            } else if (auto peer = connections_.find(fd);
                       peer != connections_.end() && !peer->second->serve()) {
                connections_.erase(peer);
            }
        }
        orphans_.collect(std::chrono::steady_clock::now());
        if (options_.end_with_last && served_any_ && connections_.empty()) {
            // Nobody can come any more once the name is gone; who came just before is still served.
            if (!options_.socket_path.empty()) ::unlink(options_.socket_path.c_str());
            accept_peers();
            if (connections_.empty()) return {};
        }
    }
}

int Server::next_timeout_ms() const {
    const auto due = orphans_.due();
    if (!due) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void Server::accept_peers() {
    for (;;) {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        ucred peer{};
        socklen_t size = sizeof peer;
        if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) continue;
        if (connections_.size() >= options_.connections_max) {
            spdlog::warn("refused uid {}: {} connections are open", peer.uid, connections_.size());
            continue;
        }
        int fd = socket.get();
        if (!watch(epoll_.get(), fd)) continue;
        served_any_ = true;
        connections_.emplace(
            fd, std::make_unique<Connection>(std::move(socket), peer, tracer_, orphans_, options_.quota));
    }
}

}  // namespace

Result<UniqueFd> listen_at(const std::string& path) {
    auto address = address_of(path);
    if (!address) return std::move(address).error();
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return errno_error("socket");
    const auto* name = reinterpret_cast<const sockaddr*>(&*address);
    if (::bind(socket.get(), name, sizeof *address) < 0) {
        if (errno != EADDRINUSE) return errno_error(path);
        UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        if (::connect(probe.get(), name, sizeof *address) == 0)
            return Error{EADDRINUSE, path + ": another spoord listens here"};
        ::unlink(path.c_str());
        if (::bind(socket.get(), name, sizeof *address) < 0) return errno_error(path);
    }
    if (::chmod(path.c_str(), 0666) < 0 || ::listen(socket.get(), 1024) < 0) return errno_error(path);
    return socket;
}

Status serve(UniqueFd listener, bpf::Tracer& tracer, const ServerOptions& options) {
    return Server(std::move(listener), tracer, options).run();
}

}  // namespace spoor::broker
