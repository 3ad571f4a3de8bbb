#include "shim/broker/connection.h"

#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "shim/broker/cgroup_claim.h"

namespace spoor::broker {
namespace {

constexpr size_t fds_max = 2;  // arm: the cgroup's directory and the init's pidfd

struct Received {
    RequestMessage message{};
    std::vector<UniqueFd> fds;
    bool well_formed = false;
};

// One message with its descriptors; nullopt: the peer has closed. Descriptors of a malformed
// message are taken, too, and closed with the result.
std::optional<Received> receive(int socket) {
    Received received;
    // Room for one byte more than a message has, to see that a longer one was cut.
    char buffer[sizeof(RequestMessage) + 1];
    iovec part{buffer, sizeof buffer};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * fds_max)];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return received;
    if (size <= 0) return std::nullopt;
    for (cmsghdr* part_header = CMSG_FIRSTHDR(&header); part_header;
         part_header = CMSG_NXTHDR(&header, part_header)) {
        if (part_header->cmsg_level != SOL_SOCKET || part_header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (part_header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part_header) + i * sizeof(int), sizeof fd);
            received.fds.emplace_back(fd);
        }
    }
    received.well_formed = size == sizeof(RequestMessage) && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (received.well_formed) std::memcpy(&received.message, buffer, sizeof received.message);
    return received;
}

bool send_reply(int socket, const ReplyMessage& reply, int fd) {
    ReplyMessage copy = reply;
    iovec part{&copy, sizeof copy};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (fd >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    // A peer that does not read its answers is dropped, never waited for.
    return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(sizeof copy);
}

// Printable ASCII only: the id goes to logs.
std::string clean_id(const char* text, size_t size) {
    std::string id(text, ::strnlen(text, size));
    std::replace_if(
        id.begin(), id.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return id;
}

// As arm has them; nullopt: not well formed.
std::optional<std::vector<std::string>> task_keys_of(const RequestMessage& request) {
    std::vector<std::string> keys;
    std::string_view rest(request.task_keys, sizeof request.task_keys);
    while (!rest.empty() && rest.front() != '\0') {
        size_t end = rest.find('\0');
        if (end == std::string_view::npos || end > bpf::task_key_bytes_max ||
            keys.size() == bpf::task_keys_max)
            return std::nullopt;
        keys.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end + 1);
    }
    if (rest.find_first_not_of('\0') != std::string_view::npos) return std::nullopt;
    return keys;
}

using Token = decltype(bpf::SessionOwner::token);

Token make_token() {
    Token token{};
    // Without randomness there is no token, and the session cannot be resumed.
    if (::getrandom(token.data(), sizeof token, 0) != static_cast<ssize_t>(sizeof token)) token = {};
    return token;
}

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

Connection::Connection(UniqueFd socket, ucred peer, bpf::Tracer& tracer, Orphans& orphans, const Quota& quota)
    : socket_(std::move(socket)), peer_(peer), tracer_(tracer), orphans_(orphans), quota_(quota) {}

Connection::~Connection() {
    release_stopped();
    if (!armed_) return;
    auto counters = tracer_.stop(session_);
    tracer_.release(session_);
    spdlog::info("session {} of uid {} ended with its connection: container {}, {} events", session_,
                 peer_.uid, container_id_, counters ? counters->emitted : 0);
}

ReplyMessage Connection::refusal(Code code, const std::string& text) const {
    spdlog::warn("refused uid {} pid {}: {}", peer_.uid, peer_.pid, text);
    ReplyMessage reply{};
    reply.code = static_cast<int32_t>(code);
    text.copy(reply.text, sizeof reply.text - 1);
    return reply;
}

bool Connection::serve() {
    auto received = receive(socket_.get());
    if (!received) return false;
    UniqueFd ring;
    const RequestMessage& request = received->message;
    ReplyMessage reply{};
    bool keep = received->well_formed && request.magic == magic;
    if (!keep)
        reply = refusal(Code::bad_request, "malformed request");
    else if (request.version != version)
        reply = refusal(Code::bad_version, "this spoord speaks protocol version " + std::to_string(version) +
                                               ": install spoor and spoord of one release");
    else
        reply = answer(request, received->fds, ring);
    reply.magic = magic;
    reply.version = version;
    reply.request = request.request;
    reply.abi_version = SPOOR_ABI_VERSION;
    return send_reply(socket_.get(), reply, ring.get()) && keep;
}

ReplyMessage Connection::answer(const RequestMessage& request, const std::vector<UniqueFd>& fds,
                                UniqueFd& ring) {
    ReplyMessage reply{};
    switch (static_cast<Request>(request.request)) {
        case Request::hello:
            reply.family = static_cast<uint32_t>(Family::syscall_exit);
            reply.exact_ops = bpf::Tracer::exact_ops();
            reply.lexical_ops = bpf::Tracer::lexical_ops();
            return reply;
        case Request::arm:
            return arm(request, fds, ring);
        case Request::grow:
            return grow(request, ring);
        case Request::renew:
            return renew(request);
        case Request::resume:
            return resume(request, ring);
        case Request::stats:
        case Request::disarm: {
            if (!armed_) return refusal(Code::bad_request, "no session on this connection");
            bool last = static_cast<Request>(request.request) == Request::disarm;
            auto counters = last ? tracer_.stop(session_) : tracer_.counters(session_);
            if (last) armed_ = false;
            if (last) stopped_ = true;
            if (!counters) return refusal(Code::unavailable, counters.error().message);
            if (last)
                spdlog::info("session {} of uid {} ended: container {}, {} events", session_, peer_.uid,
                             container_id_, counters->emitted);
            reply.counters = *counters;
            return reply;
        }
    }
    return refusal(Code::bad_request, "unknown request " + std::to_string(request.request));
}

ReplyMessage Connection::arm(const RequestMessage& request, const std::vector<UniqueFd>& fds,
                             UniqueFd& ring) {
    if (armed_) return refusal(Code::bad_request, "this connection has a session");
    if (fds.size() != fds_max)
        return refusal(Code::bad_request, "arm takes the cgroup's directory and a pidfd");
    auto root = claim_cgroup(fds[0].get(), peer_.uid);
    if (!root) return refusal(code_of(root.error()), root.error().message);
    auto init = pid_of_pidfd(fds[1].get());
    if (!init) return refusal(Code::bad_process, init.error().message);
    auto task_keys = task_keys_of(request);
    if (!task_keys) return refusal(Code::bad_request, "the task keys are malformed");
    uint32_t ring_bytes =
        std::bit_ceil(std::clamp(request.ring_bytes, quota_.ring_bytes_min, quota_.ring_bytes_max));
    bpf::SessionOwner owner{peer_.uid, peer_.gid, tracer_.outlived() ? make_token() : Token{},
                            clean_id(request.container_id, sizeof request.container_id)};
    release_stopped();
    auto granted = tracer_.arm(*root, *init, ring_bytes, *task_keys, owner);
    if (!granted && granted.error().code == EEXIST && orphans_.supersede(peer_.uid, root->cgroup_id))
        granted = tracer_.arm(*root, *init, ring_bytes, *task_keys, owner);
    if (!granted) {
        bool taken = granted.error().code == EEXIST;
        return refusal(taken ? Code::already_traced : Code::unavailable,
                       taken ? "the cgroup is traced already" : granted.error().message);
    }
    armed_ = true;
    session_ = granted->session;
    ring_bytes_ = ring_bytes;
    container_id_ = owner.container_id;
    ring = std::move(granted->ring);
    spdlog::info("session {} of uid {} pid {}: container {}, cgroup {}, ring {} bytes", session_, peer_.uid,
                 peer_.pid, container_id_, root->cgroup_id, ring_bytes);
    ReplyMessage reply{};
    reply.ring_bytes = ring_bytes;
    reply.token[0] = owner.token[0];
    reply.token[1] = owner.token[1];
    return reply;
}

// The token is what shows that this is the recorder that the session was granted to. The cgroup cannot:
// it may be gone.
ReplyMessage Connection::resume(const RequestMessage& request, UniqueFd& ring) {
    if (armed_ || stopped_) return refusal(Code::bad_request, "this connection has a session");
    auto session = orphans_.claim(peer_.uid, {request.token[0], request.token[1]});
    if (!session) return refusal(Code::no_session, "no session to resume with this token");
    armed_ = true;
    session_ = session->session;
    ring_bytes_ = session->ring_bytes;
    container_id_ = session->owner.container_id;
    if (auto fd = tracer_.adopted_ring(*session))
        ring = std::move(*fd);
    else
        return refusal(Code::unavailable, fd.error().message);
    spdlog::info("session {} of uid {} pid {}: container {} resumed", session_, peer_.uid, peer_.pid,
                 container_id_);
    ReplyMessage reply{};
    reply.ring_bytes = ring_bytes_;
    return reply;
}

void Connection::release_stopped() {
    if (std::exchange(stopped_, false)) tracer_.release(session_);
}

// The tracer checks that the process is one of this session: no tenant reaches another's.
ReplyMessage Connection::renew(const RequestMessage& request) {
    if (!armed_) return refusal(Code::bad_request, "no session on this connection");
    if (auto renewed = tracer_.renew(session_, request.pid, request.start_ns); !renewed) {
        bool gone = renewed.error().code == ESRCH;
        ReplyMessage reply{};  // a process that ended meanwhile is nothing for the log
        reply.code = static_cast<int32_t>(gone ? Code::bad_process : Code::unavailable);
        renewed.error().message.copy(reply.text, sizeof reply.text - 1);
        return reply;
    }
    return {};
}

ReplyMessage Connection::grow(const RequestMessage& request, UniqueFd& ring) {
    if (!armed_) return refusal(Code::bad_request, "no session on this connection");
    if (request.ring_bytes <= ring_bytes_ || request.ring_bytes > quota_.ring_bytes_max ||
        !std::has_single_bit(request.ring_bytes))
        return refusal(Code::quota,
                       "the ring may grow to " + std::to_string(quota_.ring_bytes_max) + " bytes");
    auto granted = tracer_.grow(session_, request.ring_bytes);
    if (!granted) return refusal(Code::unavailable, granted.error().message);
    ring_bytes_ = request.ring_bytes;
    ring = std::move(*granted);
    ReplyMessage reply{};
    reply.ring_bytes = ring_bytes_;
    return reply;
}

}  // namespace spoor::broker
