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

#include "shim/broker/subordinate_ids.h"
#include "shim/broker/tenant.h"

namespace spoor::broker {
namespace {

constexpr int tick_ms = 1000;
constexpr int parked_ms = 5;

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

// A peer that is not watched is still told of when it hangs up.
void set_watched(int epoll, int fd, bool watched) {
    epoll_event event{};
    event.events = watched ? uint32_t{EPOLLIN} : 0;
    event.data.fd = fd;
    (void)::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

class Server {
public:
    Server(UniqueFd listener, bpf::Tracer& tracer, Desk& desk, const ServerOptions& options)
        : listener_(std::move(listener)),
          tracer_(tracer),
          desk_(desk),
          orphans_(tracer, desk, std::chrono::steady_clock::now() + options.resume_grace),
          options_(options) {}

    Status run();

private:
    [[nodiscard]] int next_timeout_ms(bool ticks) const;
    void accept_peers();
    void accept_peer(UniqueFd socket);
    void serve_peer(int fd, bool hung_up);
    void serve_parked();
    // False: told to end.
    bool take_signals(int signal_fd);
    void reload();
    // Once a second at most, and only while there is somebody to count for and something to count.
    void tick();

    UniqueFd listener_;
    bpf::Tracer& tracer_;
    Desk& desk_;
    Orphans orphans_;
    const ServerOptions& options_;
    SubordinateIds subordinates_ = SubordinateIds::read();
    UniqueFd epoll_;
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    std::vector<int> parked_;  // peers with a request, over their rate: not watched until their turn
    bool served_any_ = false;
    std::chrono::steady_clock::time_point ticked_{};
};

Status Server::run() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGHUP);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!signal_fd || !epoll_) return errno_error("set up the event loop");
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    SPOOR_TRY(watch(epoll_.get(), signal_fd.get()));
    SPOOR_TRY(watch(epoll_.get(), listener_.get()));

    for (;;) {
        epoll_event events[64];
        const bool ticks = desk_.counts() && !connections_.empty();
        int count = ::epoll_wait(epoll_.get(), events, 64, next_timeout_ms(ticks));
        if (count < 0 && errno != EINTR) return errno_error("epoll_wait");
        for (int i = 0; i < count; ++i) {
            int fd = events[i].data.fd;
            if (fd == signal_fd.get()) {
                if (take_signals(fd)) continue;
                if (options_.leave_sessions)
                    for (auto& [socket, connection] : connections_) connection->leave();
                return {};
            } else if (fd == listener_.get()) {
                accept_peers();
            } else {
                serve_peer(fd, (events[i].events & (EPOLLHUP | EPOLLERR)) != 0);
            }
        }
        serve_parked();
        if (ticks) tick();
        orphans_.collect(std::chrono::steady_clock::now());
        if (options_.end_with_last && served_any_ && connections_.empty()) {
            // Nobody can come any more once the name is gone; who came just before is still served.
            if (!options_.socket_path.empty()) ::unlink(options_.socket_path.c_str());
            accept_peers();
            if (connections_.empty()) return {};
        }
    }
}

void Server::serve_peer(int fd, bool hung_up) {
    auto peer = connections_.find(fd);
    if (peer == connections_.end()) return;
    if (!hung_up && peer->second->must_wait()) {
        set_watched(epoll_.get(), fd, false);
        parked_.push_back(fd);
    } else if (!peer->second->serve()) {
        std::erase(parked_, fd);
        connections_.erase(peer);
        desk_.connections(connections_.size());
    }
}

// In the order in which they were parked; whoever has to wait on goes to the end.
void Server::serve_parked() {
    for (int fd : std::exchange(parked_, {})) {
        set_watched(epoll_.get(), fd, true);
        serve_peer(fd, false);
    }
}

int Server::next_timeout_ms(bool ticks) const {
    int wait = !parked_.empty() ? parked_ms : ticks ? tick_ms : -1;
    const auto due = orphans_.due();
    if (!due) return wait;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now());
    const int until_due = static_cast<int>(std::max<int64_t>(left.count(), 0));
    return wait < 0 ? until_due : std::min(wait, until_due);
}

bool Server::take_signals(int signal_fd) {
    signalfd_siginfo signal{};
    while (::read(signal_fd, &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
        if (signal.ssi_signo != SIGHUP) return false;
        reload();
    }
    return true;
}

void Server::reload() {
    desk_.reopen();
    if (!options_.reload) return;
    if (auto rules = options_.reload(); rules) {
        spdlog::info("took {} rules for tenants; {} sessions go on", rules->size(),
                     std::count_if(connections_.begin(), connections_.end(),
                                   [](const auto& entry) { return entry.second->armed(); }));
        desk_.ledger().replace(std::move(*rules));
        tracer_.keep_ready(desk_.ledger().dedupe_sizes());
        subordinates_ = SubordinateIds::read();
        desk_.told("reload", true, "");
    } else {
        spdlog::error("the rules for tenants stay as they were: {}", rules.error().message);
        desk_.told("reload", false, rules.error().message);
    }
}

void Server::tick() {
    const auto now = std::chrono::steady_clock::now();
    if (now - ticked_ < std::chrono::milliseconds(tick_ms)) return;
    ticked_ = now;
    for (const auto& [fd, connection] : connections_) connection->count();
    desk_.tick();
}

void Server::accept_peers() {
    for (;;) {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        accept_peer(std::move(socket));
    }
}

void Server::accept_peer(UniqueFd socket) {
    Subject subject;
    socklen_t size = sizeof subject.peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &subject.peer, &size) < 0) return;
    subject.tenant = tenant_of(socket.get(), subordinates_.owner_of(subject.peer.uid), subject.peer.gid);
    const auto refuse = [&](const Overrun& overrun) {
        desk_.refused(subject, nullptr, overrun);
        Connection::turn_away(socket.get(), overrun.text);
    };
    if (auto allowed = desk_.ledger().request(subject.tenant); !allowed) return refuse(allowed.error());
    if (connections_.size() >= options_.connections_max)
        return refuse({Limit::connections, std::to_string(connections_.size()) + " connections are open"});
    auto seat = desk_.ledger().connect(subject.tenant);
    if (!seat) return refuse(seat.error());
    int fd = socket.get();
    if (!watch(epoll_.get(), fd)) return;
    served_any_ = true;
    connections_.emplace(
        fd, std::make_unique<Connection>(std::move(socket), subject.peer, std::move(subject.tenant),
                                         std::move(*seat), tracer_, orphans_, desk_, options_.quota));
    desk_.connections(connections_.size());
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

Status serve(UniqueFd listener, bpf::Tracer& tracer, Desk& desk, const ServerOptions& options) {
    return Server(std::move(listener), tracer, desk, options).run();
}

}  // namespace spoor::broker
