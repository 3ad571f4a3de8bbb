#include "shim/broker/gate.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <utility>

#include "base/descriptor_passing.h"
#include "base/epoll.h"
#include "shim/broker/gatekeeper.h"
#include "shim/broker/request.h"

namespace spoor::broker {
namespace {

using std::chrono::steady_clock;

constexpr size_t held_max = 4;   // gatekeepers of one tenant
constexpr size_t idle_max = 2;   // for the next ones; one is always there
constexpr size_t asked_max = 8;  // of the maker, at once
// A machine that is very busy must not cost anybody a session; who is killed while closing costs nobody one.
constexpr std::chrono::seconds receive_within{5};
constexpr std::chrono::milliseconds close_within{200};
constexpr std::chrono::milliseconds retry_after{100};
constexpr int end_within_ms = 2000;
constexpr size_t crowd = 256;

bool give(const UniqueFd& channel, Job job, int socket) {
    return send_with_descriptors(channel.get(), &job, sizeof job, std::span<const int>(&socket, 1),
                                 MSG_NOSIGNAL | MSG_DONTWAIT) == ssize_t{sizeof job};
}

}  // namespace

Gate::Time Gate::Keeper::due() const {
    return since + (socket >= 0 ? Time::duration(receive_within) : Time::duration(close_within));
}

Gate::Gate(UniqueFd maker, int epoll, Deliver deliver)
    : maker_(std::move(maker)), epoll_(epoll), deliver_(std::move(deliver)) {
    (void)watch(epoll_, maker_.get());
    assign();
}

Gate::~Gate() {
    for (UniqueFd& socket : to_close_) (void)socket.release();
    // Until the maker has ended.
    ::shutdown(maker_.get(), SHUT_WR);
    pollfd item{maker_.get(), POLLIN, 0};
    while (::poll(&item, 1, end_within_ms) > 0 && take_new_one()) {
    }
}

void Gate::receive(int socket, uid_t tenant) {
    waiting_.push_back({socket, tenant, steady_clock::now()});
    assign();
}

bool Gate::has(int socket) const {
    return std::ranges::any_of(waiting_, [&](const Waiting& one) { return one.socket == socket; }) ||
           std::ranges::any_of(keepers_, [&](const auto& keeper) { return keeper->socket == socket; });
}

void Gate::close(UniqueFd socket) {
    to_close_.push_back(std::move(socket));
    assign();
}

bool Gate::crowded() const { return to_close_.size() > crowd; }

size_t Gate::held_by(uid_t tenant) const {
    return static_cast<size_t>(
        std::ranges::count_if(keepers_, [&](const auto& one) { return one->busy && one->tenant == tenant; }) +
        std::ranges::count_if(dying_, [&](const Dying& one) { return one.tenant == tenant; }));
}

Gate::Keeper* Gate::idle() {
    const auto found = std::ranges::find_if(keepers_, [](const auto& keeper) { return !keeper->busy; });
    return found == keepers_.end() ? nullptr : found->get();
}

void Gate::drop(const Keeper* keeper) {
    std::erase_if(keepers_, [keeper](const auto& one) { return one.get() == keeper; });
}

// Whoever can be served is, in the order in which they came; then there are as many idle ones as is good.
void Gate::assign() {
    if (!closer_ && !to_close_.empty()) {
        if (Keeper* keeper = idle(); keeper != nullptr) {
            closer_ = std::move(*keeper);
            drop(keeper);
            closing_ = 0;
        }
    }
    send_sockets();
    size_t wanted = 1;
    std::map<uid_t, size_t> more;  // that a tenant is to have
    for (auto next = waiting_.begin(); next != waiting_.end();) {
        const bool may_hold = held_by(next->tenant) + more[next->tenant] < held_max;
        Keeper* keeper = may_hold ? idle() : nullptr;
        if (keeper == nullptr || !give(keeper->channel, Job::receive, next->socket)) {
            if (may_hold) {
                ++more[next->tenant];
                ++wanted;
            }
            ++next;
            continue;
        }
        keeper->busy = true;
        keeper->tenant = next->tenant;
        keeper->socket = next->socket;
        keeper->since = steady_clock::now();
        next = waiting_.erase(next);
    }
    if (!closer_ && !to_close_.empty()) ++wanted;
    const auto idle_ones = static_cast<size_t>(
        std::ranges::count_if(keepers_, [](const auto& keeper) { return !keeper->busy; }));
    if (idle_ones < wanted) ask_for(wanted - idle_ones);
    for (size_t extra = idle_ones; extra > std::max(wanted, idle_max); --extra) drop(idle());
}

void Gate::send_sockets() {
    while (closer_ && !to_close_.empty() && give(closer_->channel, Job::close, to_close_.front().get())) {
        if (closing_++ == 0) closer_->since = steady_clock::now();
        to_close_.pop_front();  // its last descriptor is the closer's
    }
}

void Gate::ask_for(size_t wanted) {
    if (retry_) return;
    const std::byte wish{};
    while (asked_for_ < std::min(wanted, asked_max) &&
           ::send(maker_.get(), &wish, sizeof wish, MSG_NOSIGNAL | MSG_DONTWAIT) == ssize_t{sizeof wish})
        ++asked_for_;
}

bool Gate::owns(int fd) const {
    return fd == maker_.get() || (closer_ && fd == closer_->channel.get()) ||
           std::ranges::any_of(keepers_, [&](const auto& keeper) { return keeper->channel.get() == fd; }) ||
           std::ranges::any_of(dying_, [&](const Dying& one) { return one.process.get() == fd; });
}

Status Gate::serve(int fd) {
    if (fd == maker_.get()) return take_new_one();
    if (closer_ && fd == closer_->channel.get()) {
        closed_some();
    } else if (std::erase_if(dying_, [&](const Dying& one) { return one.process.get() == fd; }) == 0) {
        const auto found =
            std::ranges::find_if(keepers_, [&](const auto& keeper) { return keeper->channel.get() == fd; });
        if (found != keepers_.end()) answered(**found);
    }
    assign();
    return {};
}

Status Gate::take_new_one() {
    std::byte answer{};
    auto packet = receive_with_descriptors(maker_.get(), &answer, sizeof answer, 2, MSG_DONTWAIT);
    if (packet.size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (packet.size <= 0) return Error{ECHILD, "the process that makes spoord's gatekeepers has ended"};
    --asked_for_;
    if (packet.descriptors.size() == 2) {
        auto keeper = std::make_unique<Keeper>();
        keeper->channel = std::move(packet.descriptors[0]);
        keeper->process = std::move(packet.descriptors[1]);
        (void)watch(epoll_, keeper->channel.get());
        keepers_.push_back(std::move(keeper));
    } else {
        retry_ = steady_clock::now() + retry_after;
    }
    assign();
    return {};
}

void Gate::answered(Keeper& keeper) {
    TakenPacket answer{};
    auto packet = receive_with_descriptors(keeper.channel.get(), &answer, sizeof answer, arm_descriptors + 1,
                                           MSG_DONTWAIT);
    if (packet.size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (packet.size == ssize_t{job_done} && keeper.socket < 0) {
        keeper.busy = false;
        return;
    }
    const int socket = std::exchange(keeper.socket, -1);
    if (packet.size < ssize_t{taken_head}) {  // it has ended: killed by somebody else, or by a fault
        drop(&keeper);
        if (socket >= 0) deliver_(socket, Outcome::stuck, {});
        return;
    }
    keeper.since = steady_clock::now();
    PeerPacket taken;
    taken.bytes.assign(answer.bytes, static_cast<size_t>(packet.size) - taken_head);
    taken.cut = answer.cut != 0;
    taken.descriptors = std::move(packet.descriptors);
    // A gatekeeper never sends more than fits here: what is cut is spoord's to blame, not the peer's.
    const Outcome whole = packet.cut ? Outcome::no_room : Outcome::packet;
    deliver_(socket, answer.no_packet != 0 ? Outcome::nothing : whole, std::move(taken));
}

void Gate::closed_some() {
    std::byte answer[job_done];
    ssize_t size = 0;
    while ((size = ::recv(closer_->channel.get(), answer, sizeof answer, MSG_DONTWAIT)) ==
           ssize_t{job_done}) {
        --closing_;
        closer_->since = steady_clock::now();
    }
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) closer_.reset();
}

void Gate::kill(Keeper keeper, std::optional<uid_t> tenant) {
    (void)::syscall(SYS_pidfd_send_signal, keeper.process.get(), SIGKILL, nullptr, 0);
    (void)watch(epoll_, keeper.process.get());
    dying_.push_back({std::move(keeper.process), tenant});
}

void Gate::expire(Time now) {
    if (retry_ && *retry_ <= now) retry_.reset();
    if (closer_ && closing_ > 0 && now - closer_->since >= close_within)
        kill(*std::exchange(closer_, std::nullopt), std::nullopt);
    std::vector<int> stuck;
    for (size_t i = 0; i < keepers_.size();) {
        Keeper& keeper = *keepers_[i];
        if (!keeper.busy || now < keeper.due()) {
            ++i;
            continue;
        }
        if (keeper.socket >= 0) stuck.push_back(keeper.socket);
        const uid_t tenant = keeper.tenant;
        kill(std::move(keeper), tenant);
        keepers_.erase(keepers_.begin() + static_cast<ptrdiff_t>(i));
    }
    while (!waiting_.empty() && now - waiting_.front().since >= receive_within) {
        stuck.push_back(waiting_.front().socket);
        waiting_.pop_front();
    }
    for (int socket : stuck) deliver_(socket, Outcome::stuck, {});
    assign();
}

std::optional<Gate::Time> Gate::due() const {
    std::optional<Time> first = retry_;
    const auto take = [&first](Time time) { first = first ? std::min(*first, time) : time; };
    if (closer_ && closing_ > 0) take(closer_->since + close_within);
    for (const auto& keeper : keepers_)
        if (keeper->busy) take(keeper->due());
    if (!waiting_.empty()) take(waiting_.front().since + receive_within);
    return first;
}

}  // namespace spoor::broker
