#include "shim/broker/server.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/epoll.h"
#include "shim/broker/gate.h"
#include "shim/broker/subordinate_ids.h"
#include "shim/broker/tenant.h"

namespace spoor::broker {
namespace {

constexpr int accepted_at_once = 64;  // then it is the turn of those who are there already
constexpr int tick_ms = 1000;
constexpr int parked_ms = 5;
constexpr std::chrono::milliseconds accept_pause{500};

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error{ENAMETOOLONG, path + ": longer than a unix socket's path may be (107 bytes)"};
    path.copy(address.sun_path, path.size());
    return address;
}

// The name appears with its final mode, so no peer is told meanwhile that it may not connect. errno is
// bind(2)'s.
bool bind_for_everybody(int socket, const sockaddr_un& address) {
    const mode_t before = ::umask(0111);
    const bool bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int problem = errno;
    ::umask(before);
    errno = problem;
    return bound;
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
    Server(UniqueFd listener, UniqueFd gatekeepers, bpf::Tracer& tracer, Desk& desk,
           const ServerOptions& options)
        : listener_(std::move(listener)),
          gatekeepers_(std::move(gatekeepers)),
          tracer_(tracer),
          desk_(desk),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          orphans_(tracer, desk, std::chrono::steady_clock::now() + options.resume_grace, epoll_.get()),
          options_(options) {}
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    Status run();

private:
    [[nodiscard]] int next_timeout_ms(bool ticks) const;
    void accept_peers();
    void pause_accepting();
    // Whether those who connect are accepted, or have to wait.
    void set_accepting(bool on);
    void accept_peer(UniqueFd socket);
    void serve_peer(int fd, bool hung_up);
    void serve_parked();
    void serve_from_gate(int fd, Gate::Outcome outcome, const PeerPacket& packet);
    void drop(int fd);
    // False: told to end.
    bool take_signals(int signal_fd);
    void reload();
    // Once a second at most, and only while there is somebody to count for and something to count.
    void tick();

    UniqueFd listener_;
    UniqueFd gatekeepers_;
    bpf::Tracer& tracer_;
    Desk& desk_;
    UniqueFd epoll_;
    Orphans orphans_;
    const ServerOptions& options_;
    SubordinateIds subordinates_ = SubordinateIds::read();
    std::optional<Gate> gate_;  // while it runs
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    std::vector<int> parked_;  // peers with a request, over their rate: not watched until their turn
    std::optional<std::chrono::steady_clock::time_point> accept_again_;
    bool accepting_ = true;
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
    if (!signal_fd || !epoll_) return errno_error("set up the event loop");
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    SPOOR_TRY(watch(epoll_.get(), signal_fd.get()));
    SPOOR_TRY(watch(epoll_.get(), listener_.get()));
    gate_.emplace(std::move(gatekeepers_), epoll_.get(),
                  [this](int socket, Gate::Outcome outcome, const PeerPacket& packet) {
                      serve_from_gate(socket, outcome, packet);
                  });

    for (;;) {
        epoll_event events[64];
        const bool ticks = desk_.counts() && !connections_.empty();
        int count = ::epoll_wait(epoll_.get(), events, 64, next_timeout_ms(ticks));
        if (count < 0 && errno != EINTR) return errno_error("epoll_wait");
        for (int i = 0; i < count; ++i) {
            int fd = events[i].data.fd;
            if (fd == signal_fd.get()) {
                if (take_signals(fd)) continue;
                return {};
            } else if (fd == listener_.get()) {
                accept_peers();
            } else if (gate_->owns(fd)) {
                SPOOR_TRY(gate_->serve(fd));
            } else if (orphans_.owns(fd)) {
                orphans_.serve(fd);
            } else {
                serve_peer(fd, (events[i].events & (EPOLLHUP | EPOLLERR)) != 0);
            }
        }
        serve_parked();
        gate_->expire(std::chrono::steady_clock::now());
        if (accept_again_ && *accept_again_ <= std::chrono::steady_clock::now()) accept_again_.reset();
        set_accepting(!accept_again_ && !gate_->crowded());
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

// Whatever peers have sent and not been answered may wait when it is closed (gatekeeper.h). What the gate
// does not take is left to the end of the process.
Server::~Server() {
    // Whatever has ended run(): a failure of spoord's own is no reason to end anybody's session.
    if (options_.leave_sessions)
        for (auto& [socket, connection] : connections_) connection->leave();
    (void)listener_.release();
    while (!connections_.empty()) drop(connections_.begin()->first);
}

void Server::serve_peer(int fd, bool hung_up) {
    auto peer = connections_.find(fd);
    if (peer == connections_.end() || gate_->has(fd)) return;
    if (!hung_up && peer->second->must_wait()) {
        set_watched(epoll_.get(), fd, false);
        parked_.push_back(fd);
    } else if (peer->second->brings_descriptors()) {
        (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
        gate_->receive(fd, peer->second->tenant());
    } else if (!peer->second->serve()) {
        drop(fd);
    }
}

void Server::serve_from_gate(int fd, Gate::Outcome outcome, const PeerPacket& packet) {
    Connection& peer = *connections_.at(fd);
    if (outcome == Gate::Outcome::stuck)
        peer.refuse_descriptors(
            "descriptors that this tenant has passed take too long to receive or to close");
    if (outcome == Gate::Outcome::no_room)
        peer.refuse_descriptors("spoord has as many descriptors open as it may: try again");
    const bool goes_on =
        outcome == Gate::Outcome::packet ? peer.answer_packet(packet) : outcome == Gate::Outcome::nothing;
    if (!goes_on || !watch(epoll_.get(), fd)) drop(fd);
}

void Server::drop(int fd) {
    std::erase(parked_, fd);
    auto peer = connections_.extract(fd);
    peer.mapped()->hand_over();
    UniqueFd socket = peer.mapped()->surrender_socket();
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);  // it stays open for a moment
    peer.mapped().reset();
    desk_.connections(connections_.size());
    gate_->close(std::move(socket));
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
    for (const auto& due : {orphans_.due(), gate_->due(), accept_again_}) {
        if (!due) continue;
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(*due - std::chrono::steady_clock::now());
        const int until_due = static_cast<int>(std::max<int64_t>(left.count(), 0));
        wait = wait < 0 ? until_due : std::min(wait, until_due);
    }
    return wait;
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

// Who is left is told of again.
void Server::accept_peers() {
    for (int accepted = 0; accepted < accepted_at_once; ++accepted) {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) pause_accepting();
            return;
        }
        accept_peer(std::move(socket));
    }
}

// What is missing is not there sooner for being asked for at once again.
void Server::pause_accepting() {
    spdlog::error("accept: {}; connections have to wait", std::strerror(errno));
    accept_again_ = std::chrono::steady_clock::now() + accept_pause;
}

void Server::set_accepting(bool on) {
    if (accepting_ == on) return;
    accepting_ = on;
    set_watched(epoll_.get(), listener_.get(), on);
}

void Server::accept_peer(UniqueFd socket) {
    Subject subject;
    socklen_t size = sizeof subject.peer;
    const auto refuse = [&](const Overrun& overrun) {
        desk_.refused(subject, nullptr, overrun);
        Connection::turn_away(socket.get(), overrun.text);
        gate_->close(std::move(socket));
    };
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &subject.peer, &size) < 0)
        return gate_->close(std::move(socket));
    subject.tenant = tenant_of(socket.get(), subordinates_.owner_of(subject.peer.uid), subject.peer.gid);
    if (auto allowed = desk_.ledger().request(subject.tenant); !allowed) return refuse(allowed.error());
    if (connections_.size() >= options_.connections_max)
        return refuse({Limit::connections, std::to_string(connections_.size()) + " connections are open"});
    auto seat = desk_.ledger().connect(subject.tenant);
    if (!seat) return refuse(seat.error());
    int fd = socket.get();
    if (!watch(epoll_.get(), fd)) return gate_->close(std::move(socket));
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
    if (!bind_for_everybody(socket.get(), *address)) {
        if (errno != EADDRINUSE) return errno_error(path);
        UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0)
            return Error{EADDRINUSE, path + ": another spoord listens here"};
        ::unlink(path.c_str());
        if (!bind_for_everybody(socket.get(), *address)) return errno_error(path);
    }
    if (::listen(socket.get(), 1024) < 0) return errno_error(path);
    return socket;
}

Status serve(UniqueFd listener, UniqueFd gatekeepers, bpf::Tracer& tracer, Desk& desk,
             const ServerOptions& options) {
    return Server(std::move(listener), std::move(gatekeepers), tracer, desk, options).run();
}

}  // namespace spoor::broker
