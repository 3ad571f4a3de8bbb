#include "shim/broker/connection.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "base/descriptor_passing.h"
#include "base/path_table.h"
#include "shim/broker/cgroup_claim.h"
#include "shim/broker/mode_claim.h"
#include "shim/broker/request.h"
#include "shim/broker/tenant.h"

namespace spoor::broker {
namespace {

bool send_reply(int socket, const ReplyMessage& reply, int fd) {
    const auto passed = fd < 0 ? std::span<const int>() : std::span<const int>(&fd, 1);
    // A peer that does not read its answers is dropped, never waited for.
    return send_with_descriptors(socket, &reply, sizeof reply, passed, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(sizeof reply);
}

// What each reply to `request` begins with.
void head(ReplyMessage& reply, uint16_t in_version, uint16_t request, uint32_t abi_version) {
    reply.magic = magic;
    reply.version = in_version;
    reply.request = request;
    reply.abi_version = abi_version;
}

ReplyMessage refused(Code code, const std::string& text) {
    ReplyMessage reply{};
    reply.code = static_cast<int32_t>(code);
    text.copy(reply.text, sizeof reply.text - 1);
    return reply;
}

Connection::Token make_token() {
    Connection::Token token{};
    // Without randomness there is no token, and the session cannot be resumed.
    if (::getrandom(token.data(), sizeof token, 0) != static_cast<ssize_t>(sizeof token)) token = {};
    return token;
}

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang before 17 takes it for no aggregate

Code code_of(const Error& error) {
    switch (error.code) {
        case ENOTDIR:
        case EINVAL:
            return Code::not_a_cgroup;
        case EACCES:
        case EPERM:
            return Code::not_owner;
        default:
            return Code::unavailable;
    }
}

}  // namespace

Connection::Connection(UniqueFd socket, ucred peer, Tenant tenant, Ledger::Seat seat, bpf::Tracer& tracer,
                       Orphans& orphans, Desk& desk, const Quota& quota)
    : socket_(std::move(socket)),
      seat_(std::move(seat)),
      tracer_(tracer),
      orphans_(orphans),
      desk_(desk),
      quota_(quota) {
    subject_.peer = peer;
    subject_.tenant = std::move(tenant);
}

void Connection::hand_over() {
    const bool waits = hung_up_ && (armed_ || (stopped_ && answer_lost_));
    if (!waits || token_ == Token{}) return;
    Orphans::Orphan orphan;
    orphan.recorder = pidfd_of_peer(socket_.get(), subject_.peer.pid);
    if (!orphan.recorder) return;
    count();
    orphan.subject = subject_;
    orphan.subject.session = armed_ ? subject_.session : stopped_session_;
    orphan.session.session = orphan.subject.session;
    orphan.session.owner = {subject_.peer.uid, subject_.peer.gid, token_, subject_.container,
                            subject_.tenant.cgroup};
    orphan.session.cgroup_id = subject_.cgroup_id;
    orphan.session.sizes.ring_bytes = subject_.ring_bytes;
    orphan.session.abi_version = abi_version_;
    orphan.since = since_;
    orphan.holding = std::exchange(holding_, std::nullopt);
    orphan.counted = counted_;
    orphan.ended = stopped_;
    orphans_.add(std::move(orphan));
    leave();
}

Connection::~Connection() {
    if (armed_) end("connection closed", tracer_.stop(subject_.session));
    release_stopped();
}

void Connection::turn_away(int socket, const std::string& text) {
    ReplyMessage reply = refused(Code::quota, text);
    head(reply, version, static_cast<uint16_t>(Request::hello), SPOOR_ABI_VERSION);
    (void)send_reply(socket, reply, -1);
}

ReplyMessage Connection::refusal(Code code, const std::string& text) const {
    desk_.refused(subject_, asked_, code, text);
    return refused(code, text);
}

ReplyMessage Connection::refusal(const Overrun& overrun) const {
    desk_.refused(subject_, asked_, overrun);
    return refused(Code::quota, overrun.text);
}

// Looked at without room for descriptors, which leaves them where they are.
bool Connection::brings_descriptors() {
    msghdr header{};
    const bool there = ::recvmsg(socket_.get(), &header, MSG_PEEK | MSG_DONTWAIT) >= 0;
    // Told once: the peer has hung up, and an answer lay there unread.
    if (!there && errno == ECONNRESET) hung_up_ = answer_lost_ = true;
    return there && (header.msg_flags & MSG_CTRUNC) != 0;
}

bool Connection::serve() {
    char buffer[packet_room];
    const ssize_t size = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (size <= 0) {
        hung_up_ = true;
        if (size < 0) answer_lost_ = true;
        return false;
    }
    return answer_packet({{buffer, static_cast<size_t>(size)}, false, {}});
}

bool Connection::answer_packet(const PeerPacket& packet) {
    const ParsedRequest request =
        parse_request(std::as_bytes(std::span(packet.bytes)), packet.descriptors.size(), packet.cut);
    const Request kind = request.malformed ? Request{} : request.kind();
    asked_ = name_of(kind);
    desk_.asked(kind);
    UniqueFd ring;
    ReplyMessage reply = answer(request, packet.descriptors, ring);
    head(reply, request.version, request.request, abi_version_);
    if (send_reply(socket_.get(), reply, ring.get())) return !request.malformed;
    // Who was never told the token cannot come back with it.
    hung_up_ = answer_lost_ = (errno == EPIPE || errno == ECONNRESET) && kind != Request::arm;
    return false;
}

void Connection::refuse_descriptors(const std::string& why) {
    asked_ = name_of(Request::arm);  // which is the only one that takes any
    ReplyMessage reply = refusal(Code::unavailable, why);
    head(reply, version, static_cast<uint16_t>(Request::arm), abi_version_);
    (void)send_reply(socket_.get(), reply, -1);
}

UniqueFd Connection::surrender_socket() { return std::move(socket_); }

ReplyMessage Connection::answer(const ParsedRequest& request, const std::vector<UniqueFd>& fds,
                                UniqueFd& ring) {
    const bool last = armed_ && std::holds_alternative<DisarmRequest>(request.what);
    // The end of a session is never refused: without its counters no trail is complete. And a malformed
    // request is the connection's last one.
    if (!last && !request.malformed)
        if (auto allowed = desk_.ledger().request(subject_.tenant); !allowed) return refusal(allowed.error());
    return std::visit(
        Overloaded{
            [&](const RefusedRequest& no) {
                if (!armed_ && request.kind() == Request::arm) ask_for(request.container);
                return refusal(no.code, no.text);
            },
            [&](const HelloRequest&) { return hello(); },
            [&](const ArmRequest& arm_request) { return arm(arm_request, request.container, fds, ring); },
            [&](const StatsRequest&) { return counters(false); },
            [&](const GrowRequest& grow_request) { return grow(grow_request, ring); },
            [&](const DisarmRequest&) { return counters(true); },
            [&](const RenewRequest& process) { return renew(process); },
            [&](const ResumeRequest& resume_request) { return resume(resume_request, ring); },
            [&](const ListRequest& list_request) { return list(list_request); },
            [&](const WindowRequest&) { return open_window(ring); },
            [&](const AssignRequest& process) { return assign(process); },
        },
        request.what);
}

ReplyMessage Connection::hello() const {
    const bpf::Coverage coverage = tracer_.coverage();
    ReplyMessage reply{};
    reply.family = static_cast<uint32_t>(coverage.family);
    reply.exact_ops = coverage.exact_ops;
    reply.lexical_ops = coverage.lexical_ops;
    return reply;
}

ReplyMessage Connection::counters(bool last) {
    if (!armed_) return refusal(Code::bad_request, "no session on this connection");
    auto counters = last ? tracer_.stop(subject_.session) : tracer_.counters(subject_.session);
    if (last)
        end("disarmed", counters);
    else if (counters)
        count(*counters);
    if (!counters) return refusal(Code::unavailable, counters.error().message);
    ReplyMessage reply{};
    reply.counters = *counters;
    return reply;
}

void Connection::end(const char* why, const Result<spoor_counters>& last) {
    armed_ = false;
    stopped_ = true;
    stopped_session_ = subject_.session;
    if (last) count(*last);
    // Without a next spoord nobody can ask again.
    if (!tracer_.outlived()) release_stopped();
    desk_.ended(subject_, why, std::chrono::steady_clock::now() - since_, last ? &*last : nullptr);
    subject_.session = 0;
}

void Connection::count() {
    if (!armed_) return;
    if (auto now = tracer_.counters(subject_.session)) count(*now);
}

void Connection::count(const spoor_counters& now) {
    desk_.records(more_than(counted_, now));
    counted_ = now;
}

void Connection::ask_for(const std::string& container) {
    subject_.container = container;
    subject_.cgroup_id = 0;
    subject_.tenant.cgroup.clear();
    subject_.ring_bytes = 0;
    subject_.mode = nullptr;
}

ReplyMessage Connection::arm(const ArmRequest& request, const std::string& container,
                             const std::vector<UniqueFd>& fds, UniqueFd& ring) {
    const auto began = std::chrono::steady_clock::now();
    release_stopped();
    if (armed_) return refusal(Code::bad_request, "this connection has a session");
    ask_for(container);
    if (auto there = peer_lives(socket_.get(), subject_.peer.pid); !there)
        return refusal(there.error().code == ESRCH ? Code::bad_process : Code::unavailable,
                       there.error().message);
    auto init = pid_of_pidfd(fds[1].get());
    struct stat directory {};
    std::optional<CgroupPlace> place;
    if (::fstat(fds[0].get(), &directory) == 0 && init)
        place = place_of_cgroup(fds[0].get(), directory.st_ino, *init);
    auto root = claim_cgroup(fds[0].get(), subject_.peer.uid, place ? &*place : nullptr);
    if (!root) {
        const Code code = code_of(root.error());
        // Whose cgroup somebody was after is worth knowing.
        if (code == Code::not_owner) subject_.cgroup_id = directory.st_ino;
        return refusal(code, root.error().message);
    }
    subject_.cgroup_id = root->cgroup_id;
    if (!init) return refusal(Code::bad_process, init.error().message);
    // Who hides where the cgroup is must not get what another rule allows, nor a cgroup that is beneath
    // somebody else's session.
    if (!place) return refusal(Code::bad_process, "the process is not in the cgroup");
    subject_.tenant.cgroup = place->path;
    if (request.modes) subject_.mode = to_string(request.modes->container);
    if (const auto why = forbidden_by(desk_.ledger().rule_for(subject_.tenant), request.modes))
        return refusal(Code::mode, *why);
    const uint32_t most = std::min(quota_.ring_bytes_max, desk_.ledger().largest_ring(subject_.tenant));
    uint32_t ring_bytes = std::bit_ceil(std::clamp(request.ring_bytes, quota_.ring_bytes_min, most));
    auto holding = desk_.ledger().hold(subject_.tenant, ring_bytes);
    if (!holding) return refusal(holding.error());
    const bpf::SessionSizes sizes{ring_bytes, desk_.ledger().dedupe_entries(subject_.tenant)};
    const bpf::SessionOwner owner{subject_.peer.uid, subject_.peer.gid,
                                  tracer_.outlived() ? make_token() : Token{}, subject_.container,
                                  subject_.tenant.cgroup};
    const auto begin = [&] {
        return tracer_.arm(*root, {*init, request.pid_namespace}, sizes, request.task_keys, owner);
    };
    auto granted = begin();
    if (!granted && granted.error().code == EEXIST && orphans_.supersede(subject_.peer.uid, root->cgroup_id))
        granted = begin();
    if (!granted) {
        bool taken = granted.error().code == EEXIST;
        return refusal(taken ? Code::already_traced : Code::unavailable,
                       taken ? "the cgroup is traced already" : granted.error().message);
    }
    armed_ = true;
    token_ = owner.token;
    holding_.emplace(std::move(*holding));
    since_ = std::chrono::steady_clock::now();
    counted_ = {};
    has_window_ = false;
    subject_.session = granted->session;
    subject_.ring_bytes = ring_bytes;
    ring = std::move(granted->ring);
    desk_.granted(subject_, since_ - began);
    ReplyMessage reply{};
    reply.ring_bytes = ring_bytes;
    reply.token[0] = owner.token[0];
    reply.token[1] = owner.token[1];
    return reply;
}

// The token is what shows that this is the recorder that the session was granted to. The cgroup cannot:
// it may be gone.
ReplyMessage Connection::resume(const ResumeRequest& request, UniqueFd& ring) {
    if (armed_ || stopped_) return refusal(Code::bad_request, "this connection has a session");
    auto orphan = orphans_.claim(subject_.peer.uid, request.token);
    if (!orphan) return refusal(Code::no_session, "no session to resume with this token");
    const bpf::Tracer::Adopted* session = &orphan->session;
    subject_.container = session->owner.container_id;
    subject_.cgroup_id = session->cgroup_id;
    subject_.tenant.cgroup = session->owner.cgroup;
    subject_.session = session->session;
    subject_.ring_bytes = session->sizes.ring_bytes;
    subject_.mode = orphan->subject.mode;
    abi_version_ = session->abi_version;
    token_ = request.token;
    since_ = std::chrono::steady_clock::now();
    if (orphan->holding) {
        holding_.emplace(std::move(*orphan->holding));
        counted_ = orphan->counted;
        since_ = orphan->since;
    } else {
        // It was granted before: today's rules do not end it.
        holding_.emplace(desk_.ledger().keep(subject_.tenant, session->sizes.ring_bytes,
                                             session->sizes.seen_entries, session->window_bytes));
        if (auto now = tracer_.counters(session->session)) counted_ = *now;
    }
    armed_ = true;
    auto fd = tracer_.adopted_ring(*session);
    if (!fd) return refusal(Code::unavailable, fd.error().message);
    ring = std::move(*fd);
    desk_.resumed(subject_);
    ReplyMessage reply{};
    reply.ring_bytes = session->sizes.ring_bytes;
    return reply;
}

ReplyMessage Connection::list(const ListRequest& request) const {
    ReplyMessage reply{};
    const auto* next = desk_.next_running(request.after, subject_.peer.uid);
    if (next == nullptr) return reply;
    reply.exact_ops = next->first;
    reply.lexical_ops = next->second.uid;
    reply.ring_bytes = next->second.ring_bytes;
    if (auto now = tracer_.counters(next->second.session)) reply.counters = *now;
    next->second.container.copy(reply.text, sizeof reply.text - 1);
    return reply;
}

void Connection::release_stopped() {
    if (!std::exchange(stopped_, false)) return;
    tracer_.release(stopped_session_);
    holding_.reset();
    desk_.accounts();
}

namespace {

ReplyMessage about_process(const Status& done) {
    if (done) return {};
    bool gone = done.error().code == ESRCH;  // a process that ended meanwhile is nothing for the log
    return refused(gone ? Code::bad_process : Code::unavailable, done.error().message);
}

}  // namespace

// The tracer checks that the process is one of this session: no tenant reaches another's.
ReplyMessage Connection::renew(const RenewRequest& process) {
    if (!armed_) return refusal(Code::bad_request, "no session on this connection");
    return about_process(tracer_.renew(subject_.session, process.pid, process.start_ns));
}

ReplyMessage Connection::assign(const AssignRequest& process) {
    if (!armed_) return refusal(Code::bad_request, "no session on this connection");
    return about_process(tracer_.assign(subject_.session, process.pid, process.start_ns, process.refusal));
}

ReplyMessage Connection::open_window(UniqueFd& window) {
    if (!armed_ || has_window_)
        return refusal(Code::bad_request,
                       armed_ ? "the session has its window" : "no session on this connection");
    // Nothing for the log: each session in strict mode asks.
    if (!tracer_.coverage().refuses) return refused(Code::unavailable, "");
    if (auto allowed = holding_->add_window(SPOOR_WINDOW_BYTES); !allowed) return refusal(allowed.error());
    auto opened = tracer_.open_window(subject_.session);
    if (!opened) return refusal(Code::unavailable, opened.error().message);
    window = std::move(*opened);
    has_window_ = true;
    return {};
}

ReplyMessage Connection::grow(const GrowRequest& request, UniqueFd& ring) {
    if (!armed_) return refusal(Code::bad_request, "no session on this connection");
    const uint32_t before = subject_.ring_bytes;
    if (request.ring_bytes <= before || request.ring_bytes > quota_.ring_bytes_max ||
        !std::has_single_bit(request.ring_bytes))
        return refusal(Overrun{Limit::ring_bytes_each, "the ring has " + std::to_string(before) +
                                                           " bytes and may grow, to a power of two, to " +
                                                           std::to_string(quota_.ring_bytes_max)});
    if (auto allowed = holding_->grow(request.ring_bytes); !allowed) return refusal(allowed.error());
    auto granted = tracer_.grow(subject_.session, request.ring_bytes);
    if (!granted) {
        (void)holding_->grow(before);
        return refusal(Code::unavailable, granted.error().message);
    }
    subject_.ring_bytes = request.ring_bytes;
    ring = std::move(*granted);
    desk_.grown(subject_);
    ReplyMessage reply{};
    reply.ring_bytes = subject_.ring_bytes;
    return reply;
}

}  // namespace spoor::broker
