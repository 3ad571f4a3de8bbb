#include "shim/ipc/control.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <climits>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "shim/ipc/json_dump.h"

namespace spoor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t largest_answer = 16 * 1024;

sockaddr_un address_beneath(int dir) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(dir) + "/" + control_socket_name;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
}

Result<UniqueFd> open_state_dir(const std::string& state_dir) {
    return open_file(state_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

Result<UniqueFd> make_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd) return errno_error("make the control socket");
    return fd;
}

std::chrono::milliseconds remaining(Clock::time_point end) {
    return std::max(std::chrono::milliseconds(0),
                    std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()));
}

Error no_answer() { return Error{ETIMEDOUT, "the recorder did not answer in time"}; }

// connect(2) to a listener whose queue is full waits for SO_SNDTIMEO, and so does send(2).
Status set_send_timeout(int fd, std::chrono::milliseconds limit) {
    const auto at_least = std::max(limit, std::chrono::milliseconds(1));  // 0 would mean "for ever"
    timeval value{};
    value.tv_sec = at_least.count() / 1000;
    value.tv_usec = at_least.count() % 1000 * 1000;
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value) != 0)
        return errno_error("set the control socket's deadline");
    return {};
}

Status connect_to(int fd, int dir) {
    const sockaddr_un address = address_beneath(dir);
    while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return no_answer();
        return errno_error("reach the recorder");
    }
    return {};
}

Status wait_readable(int fd, Clock::time_point end) {
    for (;;) {
        pollfd item{fd, POLLIN, 0};
        const auto wait_ms = std::min<int64_t>(remaining(end).count(), INT_MAX);
        const int ready = ::poll(&item, 1, static_cast<int>(wait_ms));
        if (ready > 0) return {};
        if (ready == 0) return no_answer();
        if (errno != EINTR) return errno_error("wait for the recorder");
    }
}

}  // namespace

std::string to_json(const ControlRequest& request) {
    if (request.op == ControlRequest::Op::arm) return dump_json({{"op", "arm"}, {"pid", request.pid}});
    return dump_json({{"op", "finish"}});
}

Result<ControlRequest> parse_control_request(std::string_view json) {
    const auto value = nlohmann::json::parse(json, nullptr, false);
    if (!value.is_object()) return Error{EPROTO, "the request is no JSON object"};
    const auto op = value.find("op");
    if (op == value.end() || !op->is_string()) return Error{EPROTO, "the request has no 'op'"};
    if (*op == "finish") return ControlRequest{ControlRequest::Op::finish, 0};
    if (*op != "arm") return Error{EPROTO, "unknown request '" + op->get<std::string>() + "'"};

    const auto pid = value.find("pid");
    if (pid == value.end() || !pid->is_number_unsigned()) return Error{EPROTO, "'arm' wants a pid"};
    const auto number = pid->get<uint64_t>();
    if (number == 0 || number > INT_MAX) return Error{EPROTO, "'arm' wants a pid"};
    return ControlRequest{ControlRequest::Op::arm, static_cast<int>(number)};
}

std::string control_answer(const Status& outcome) {
    if (outcome) return dump_json({{"ok", true}});
    // A packet that the caller would cut off is worth less than a shortened reason.
    return dump_json({{"ok", false}, {"error", outcome.error().message.substr(0, largest_answer / 8)}});
}

Status parse_control_answer(std::string_view json) {
    const auto value = nlohmann::json::parse(json, nullptr, false);
    if (!value.is_object()) return Error{EPROTO, "the recorder's answer is no JSON object"};
    const auto ok = value.find("ok");
    if (ok == value.end() || !ok->is_boolean()) return Error{EPROTO, "the recorder's answer has no 'ok'"};
    if (ok->get<bool>()) return {};
    const auto text = value.find("error");
    if (text == value.end() || !text->is_string())
        return Error{EPROTO, "the recorder refused without a reason"};
    return Error{0, text->get<std::string>()};
}

Result<UniqueFd> listen_control(const std::string& state_dir) {
    auto dir = open_state_dir(state_dir);
    if (!dir) return std::move(dir).error();
    auto fd = make_socket();
    if (!fd) return std::move(fd).error();
    // One left by a recorder that was killed; the directory has one recorder at a time.
    if (::unlinkat(dir->get(), control_socket_name, 0) != 0 && errno != ENOENT)
        return errno_error("remove the old control socket");

    // The mode of an unbound socket is the one that its file gets (less the umask): no moment at
    // which others could connect.
    if (::fchmod(fd->get(), 0600) != 0) return errno_error("protect the control socket");
    const sockaddr_un address = address_beneath(dir->get());
    if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return errno_error("bind the control socket in " + state_dir);
    if (::listen(fd->get(), 16) != 0) return errno_error("listen on the control socket");
    return std::move(*fd);
}

Status call_control(const std::string& state_dir, const ControlRequest& request,
                    std::chrono::milliseconds deadline) {
    const auto end = Clock::now() + deadline;
    auto dir = open_state_dir(state_dir);
    if (!dir) return std::move(dir).error();
    auto fd = make_socket();
    if (!fd) return std::move(fd).error();

    SPOOR_TRY(set_send_timeout(fd->get(), deadline));
    SPOOR_TRY(connect_to(fd->get(), dir->get()));
    const std::string packet = to_json(request);
    if (::send(fd->get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0)
        return errno == EAGAIN ? no_answer() : errno_error("ask the recorder");

    SPOOR_TRY(wait_readable(fd->get(), end));
    std::array<char, largest_answer> answer;
    const ssize_t size = ::recv(fd->get(), answer.data(), answer.size(), MSG_TRUNC);
    if (size < 0) return errno_error("read the recorder's answer");
    if (size == 0) return Error{ECONNRESET, "the recorder ended without an answer"};
    if (static_cast<size_t>(size) > answer.size()) return Error{EPROTO, "the recorder's answer is too long"};
    return parse_control_answer({answer.data(), static_cast<size_t>(size)});
}

}  // namespace spoor
