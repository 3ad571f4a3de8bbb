#include "shim/recorder/control_server.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace spoor {
namespace {

constexpr size_t connections_max = 16;
constexpr size_t largest_request = 4096;

}  // namespace

Result<ControlServer> ControlServer::listen(const std::string& state_dir) {
    auto listener = listen_control(state_dir);
    if (!listener) return std::move(listener).error();
    if (::fcntl(listener->get(), F_SETFL, O_NONBLOCK) < 0) return errno_error("control socket");
    return ControlServer(std::move(*listener));
}

std::vector<int> ControlServer::accept() {
    std::vector<int> fresh;
    for (;;) {
        UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!connection) return fresh;
        // Peers that say nothing make room for those that come.
        if (connections_.size() >= connections_max) {
            std::erase(fresh, connections_.front().get());
            connections_.erase(connections_.begin());
        }
        fresh.push_back(connection.get());
        connections_.push_back(std::move(connection));
    }
}

Result<ControlRequest> ControlServer::read(int connection) {
    std::array<char, largest_request> packet;
    ssize_t size = ::recv(connection, packet.data(), packet.size(), MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return errno_error("control request", EAGAIN);
    if (size <= 0) {
        drop(connection);
        return errno_error("control request", ECONNRESET);
    }
    auto request = static_cast<size_t>(size) > packet.size()
                       ? Result<ControlRequest>(Error{EMSGSIZE, "the request is too long"})
                       : parse_control_request({packet.data(), static_cast<size_t>(size)});
    if (!request) answer(connection, request.error());
    return request;
}

bool ControlServer::answer(int connection, const Status& outcome) {
    const std::string packet = control_answer(outcome);
    const bool sent = ::send(connection, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
    drop(connection);
    return sent;
}

std::vector<int> ControlServer::serve_waiting(
    const std::function<void(int connection, const ControlRequest&)>& serve) {
    std::vector<int> silent = accept();
    std::vector<int> open;
    for (const UniqueFd& connection : connections_) open.push_back(connection.get());
    for (int connection : open) {
        auto request = read(connection);
        if (!request && request.error().code == EAGAIN) continue;
        std::erase(silent, connection);
        if (request) serve(connection, *request);
    }
    return silent;
}

void ControlServer::drop(int connection) {
    std::erase_if(connections_, [connection](const UniqueFd& fd) { return fd.get() == connection; });
}

}  // namespace spoor
