#include "shim/ipc/broker_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <cstring>

#include "base/descriptor_passing.h"
#include "base/files.h"
#include "base/pid_namespace.h"

namespace spoor::broker {
namespace {

constexpr int no_fds[2] = {-1, -1};
constexpr uint32_t ring_bytes_limit = 1u << 30;
constexpr const char* arming = "start tracing";

using std::chrono::milliseconds;

milliseconds remaining(Deadline deadline) {
    auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    return std::clamp(left, milliseconds(0), milliseconds(INT_MAX));
}

Error too_late() { return Error{ETIMEDOUT, "spoord did not answer in time"}; }

Status wait_for(int fd, short events, Deadline deadline) {
    for (;;) {
        pollfd item{fd, events, 0};
        int ready = ::poll(&item, 1, static_cast<int>(remaining(deadline).count()));
        if (ready > 0) return {};
        if (ready == 0) return too_late();
        if (errno != EINTR) return errno_error("wait for spoord");
    }
}

// connect(2) to a unix socket does not wait by poll; a full queue makes it wait for SO_SNDTIMEO.
Status limit_connect(int fd, Deadline deadline) {
    auto limit = std::max(remaining(deadline), milliseconds(1));
    timeval value{};
    value.tv_sec = limit.count() / 1000;
    value.tv_usec = limit.count() % 1000 * 1000;
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value) < 0)
        return errno_error("limit the connection to spoord");
    return {};
}

// errno values, so that callers can tell the refusals apart without knowing the protocol.
int errno_of(Code code) {
    switch (code) {
        case Code::ok:
            return 0;
        case Code::bad_request:
            return EINVAL;
        case Code::bad_version:
            return EPROTONOSUPPORT;
        case Code::not_a_cgroup:
            return ENOTDIR;
        case Code::not_owner:
            return EACCES;
        case Code::already_traced:
            return EBUSY;
        case Code::quota:
            return EDQUOT;
        case Code::unavailable:
            return EOPNOTSUPP;
        case Code::bad_process:
            return ESRCH;
        case Code::no_session:
            return ESTALE;
        case Code::mode:
            return EPERM;
    }
    return EPROTO;
}

Error refusal(const ReplyMessage& reply) {
    std::string text(reply.text, ::strnlen(reply.text, sizeof reply.text));
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    if (text.empty()) text = "code " + std::to_string(reply.code);
    return Error{errno_of(static_cast<Code>(reply.code)), "spoord refused: " + text};
}

RequestMessage message_for(Request request) {
    RequestMessage message{};
    message.magic = magic;
    message.version = version;
    message.request = static_cast<uint16_t>(request);
    return message;
}

bool send_request(int socket, const RequestMessage& request, const int (&fds)[2]) {
    const auto passed = fds[0] < 0 ? std::span<const int>() : std::span<const int>(fds);
    return send_with_descriptors(socket, &request, sizeof request, passed, MSG_NOSIGNAL) ==
           static_cast<ssize_t>(sizeof request);
}

}  // namespace

std::string name_of(Family family) {
    switch (family) {
        case Family::none:
            break;
        case Family::syscall_exit:
            return "syscall-exit";
        case Family::fentry:
            return "fentry";
        case Family::lsm:
            return "lsm";
    }
    return "none";
}

Result<UniqueFd> connect_socket(const std::string& path, Deadline deadline) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd) return errno_error("make a socket");
    SPOOR_TRY(limit_connect(fd.get(), deadline));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    UniqueFd directory;
    std::string short_path = path;
    if (path.size() >= sizeof address.sun_path) {
        // By its directory's descriptor, which has no limit to its length.
        size_t slash = path.rfind('/');
        auto opened = open_file(path.substr(0, slash + 1), O_PATH | O_DIRECTORY);
        if (!opened) return std::move(opened).error();
        directory = std::move(*opened);
        short_path = "/proc/self/fd/" + std::to_string(directory.get()) + path.substr(slash);
        if (short_path.size() >= sizeof address.sun_path) return errno_error(path, ENAMETOOLONG);
    }
    short_path.copy(address.sun_path, sizeof address.sun_path - 1);
    while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return too_late().context(path);
        return errno_error(path);
    }
    return fd;
}

Result<Client> Client::connect(const std::string& path, Deadline deadline) {
    auto socket = connect_socket(path, deadline);
    if (!socket) return std::move(socket).error();
    return greet(std::move(*socket), deadline);
}

Result<Client> Client::greet(UniqueFd socket, Deadline deadline) {
    Client client(std::move(socket));
    auto reply = client.call(Request::hello, 0, deadline);
    if (!reply) return std::move(reply).error();
    const ReplyMessage& message = reply->message;
    if (message.abi_version != SPOOR_ABI_VERSION)
        return Error{EPROTONOSUPPORT, "spoord's records have version " + std::to_string(message.abi_version) +
                                          ", this recorder reads version " +
                                          std::to_string(SPOOR_ABI_VERSION) +
                                          ": install spoor and spoord of one release"};
    client.coverage_ = {static_cast<Family>(message.family), message.exact_ops, message.lexical_ops};
    return client;
}

Status Client::send(const RequestMessage& request, const int (&fds)[2]) {
    if (!socket_) return Error{ENOTCONN, "the connection to spoord is lost"};
    // Closed already: who is turned away has the reason as an answer to hello, without having asked.
    if (send_request(socket_.get(), request, fds) || errno == EPIPE) return {};
    Error error = errno == EAGAIN ? too_late() : errno_error("ask spoord");
    socket_.reset();
    return error;
}

Result<Client::Reply> Client::await(Request request, Deadline deadline) {
    if (!socket_) return Error{ENOTCONN, "the connection to spoord is lost"};
    auto answered = wait_for(socket_.get(), POLLIN, deadline);
    auto reply = answered ? receive(request) : Result<Reply>(std::move(answered).error());
    if (!reply) {
        // Out of step, or gone: an answer that comes late must not be taken for the next one.
        socket_.reset();
        return reply;
    }
    if (reply->message.code != static_cast<int32_t>(Code::ok)) return refusal(reply->message);
    return reply;
}

Result<Client::Reply> Client::receive(Request request) {
    Reply reply{};
    auto packet =
        receive_with_descriptors(socket_.get(), &reply.message, sizeof reply.message, 1, MSG_DONTWAIT);
    if (packet.size < 0) return errno_error("read spoord's answer");
    if (!packet.descriptors.empty()) reply.fd = std::move(packet.descriptors.front());
    if (packet.size == 0) return errno_error("ask spoord", ECONNRESET);
    const bool whole = packet.size == static_cast<ssize_t>(sizeof reply.message) && !packet.cut;
    // Who is turned away gets the answer to hello, whatever it was about to ask.
    const bool turned_away = reply.message.request == static_cast<uint16_t>(Request::hello) &&
                             reply.message.code == static_cast<int32_t>(Code::quota);
    if (!whole || reply.message.magic != magic ||
        (reply.message.request != static_cast<uint16_t>(request) && !turned_away))
        return Error{EPROTO, "spoord's answer is not of its protocol"};
    if (reply.message.version != version)
        return Error{EPROTONOSUPPORT, "spoord speaks protocol version " +
                                          std::to_string(reply.message.version) + ", this recorder version " +
                                          std::to_string(version) +
                                          ": install spoor and spoord of one release"};
    return reply;
}

Result<Client::Reply> Client::call(RequestMessage message, const int (&fds)[2], Deadline deadline) {
    SPOOR_TRY(send(message, fds));
    return await(static_cast<Request>(message.request), deadline);
}

Result<Client::Reply> Client::call(Request request, uint32_t ring_bytes, Deadline deadline) {
    RequestMessage message = message_for(request);
    message.ring_bytes = ring_bytes;
    return call(message, no_fds, deadline);
}

Result<GrantedRing> Client::take_ring(Result<Reply> reply, const char* what) {
    if (!reply) return std::move(reply).error().context(what);
    const uint32_t bytes = reply->message.ring_bytes;
    if (!reply->fd || !std::has_single_bit(bytes) || bytes > ring_bytes_limit) {
        socket_.reset();
        return Error{EPROTO, std::string(what) + ": spoord's answer has no usable ring"};
    }
    return GrantedRing{std::move(reply->fd), bytes};
}

Status Client::begin_arm(const std::string& container_id, int cgroup, int pidfd, uint32_t ring_bytes,
                         const std::vector<std::string>& task_keys, uint32_t modes) {
    RequestMessage message = message_for(Request::arm);
    message.pid = modes;
    message.start_ns = own_pid_namespace().value_or(0);
    message.ring_bytes = ring_bytes;
    container_id.copy(message.container_id, sizeof message.container_id - 1);
    size_t at = 0;
    for (const std::string& key : task_keys) {
        if (at + key.size() + 1 > sizeof message.task_keys)
            return Error{EINVAL, std::string(arming) + ": the task keys are longer than spoord takes"};
        key.copy(message.task_keys + at, key.size());
        at += key.size() + 1;
    }
    const int fds[2] = {cgroup, pidfd};
    if (auto sent = send(message, fds); !sent) return std::move(sent).error().context(arming);
    return {};
}

Result<GrantedRing> Client::finish_arm(Deadline deadline) {
    auto reply = await(Request::arm, deadline);
    if (reply) token_ = {reply->message.token[0], reply->message.token[1]};
    return take_ring(std::move(reply), arming);
}

Result<Client> Client::begin_resume(const std::string& path, const Token& token) {
    auto socket = connect_socket(path, std::chrono::steady_clock::now());
    if (!socket) return std::move(socket).error();
    Client client(std::move(*socket));
    client.token_ = token;
    RequestMessage message = message_for(Request::resume);
    message.token[0] = token[0];
    message.token[1] = token[1];
    if (!send_request(client.fd(), message, no_fds)) return errno_error("ask spoord", ECONNREFUSED);
    return client;
}

Result<GrantedRing> Client::finish_resume() {
    auto reply = receive(Request::resume);
    if (reply && reply->message.code != static_cast<int32_t>(Code::ok)) reply = refusal(reply->message);
    if (reply && reply->message.abi_version != SPOOR_ABI_VERSION)
        reply = Error{EPROTONOSUPPORT, "spoord's records have another version now"};
    if (!reply) socket_.reset();
    return take_ring(std::move(reply), "resume the session");
}

Status Client::renew(uint32_t host_pid, uint64_t start_ns, Deadline deadline) {
    RequestMessage message = message_for(Request::renew);
    message.pid = host_pid;
    message.start_ns = start_ns;
    auto reply = call(message, no_fds, deadline);
    if (!reply) return std::move(reply).error();
    return {};
}

Result<UniqueFd> Client::window(Deadline deadline) {
    auto reply = call(Request::window, 0, deadline);
    if (!reply) return std::move(reply).error();
    if (!reply->fd) return Error{EPROTO, "spoord's answer has no window"};
    return std::move(reply->fd);
}

Status Client::assign(uint32_t host_pid, uint64_t start_ns, uint32_t refusal_word, Deadline deadline) {
    RequestMessage message = message_for(Request::assign);
    message.pid = host_pid;
    message.start_ns = start_ns;
    message.ring_bytes = refusal_word;
    auto reply = call(message, no_fds, deadline);
    if (!reply) return std::move(reply).error();
    return {};
}

Result<GrantedRing> Client::grow(uint32_t ring_bytes, Deadline deadline) {
    return take_ring(call(Request::grow, ring_bytes, deadline), "grow the ring");
}

Result<spoor_counters> Client::stats(Deadline deadline) {
    auto reply = call(Request::stats, 0, deadline);
    if (!reply) return std::move(reply).error();
    return reply->message.counters;
}

Result<spoor_counters> Client::disarm(Deadline deadline) {
    auto reply = call(Request::disarm, 0, deadline);
    if (!reply) return std::move(reply).error();
    return reply->message.counters;
}

Result<std::vector<RunningSession>> Client::sessions(Deadline deadline) {
    std::vector<RunningSession> found;
    for (uint64_t after = 0;;) {
        RequestMessage message = message_for(Request::list);
        message.start_ns = after;
        auto reply = call(message, no_fds, deadline);
        if (!reply) return std::move(reply).error().context("list the sessions");
        const ReplyMessage& one = reply->message;
        if (one.exact_ops == 0) return found;
        if (one.exact_ops <= after) return Error{EPROTO, "spoord's list does not end"};
        after = one.exact_ops;
        found.push_back({one.exact_ops, static_cast<uint32_t>(one.lexical_ops),
                         std::string(one.text, ::strnlen(one.text, sizeof one.text)), one.ring_bytes,
                         one.counters});
    }
}

}  // namespace spoor::broker
