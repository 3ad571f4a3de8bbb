#include "shim/broker/refusal.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {
namespace {

// A peer that says nothing keeps the others waiting for so long.
constexpr int request_ms = 200;

void refuse(int socket, const std::string& why) {
    pollfd item{socket, POLLIN, 0};
    RequestMessage request{};
    while (::poll(&item, 1, request_ms) > 0 &&
           ::recv(socket, &request, sizeof request, MSG_DONTWAIT) == ssize_t{sizeof request}) {
        ReplyMessage reply{};
        reply.magic = magic;
        reply.version = version;
        reply.request = request.request;
        reply.code = static_cast<int32_t>(Code::unavailable);
        std::strncpy(reply.text, why.c_str(), sizeof reply.text - 1);
        if (::send(socket, &reply, sizeof reply, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
    }
}

}  // namespace

Status refuse_all(UniqueFd listener, const std::string& why, std::chrono::milliseconds idle) {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signal_fd) return errno_error("set up the signals");
    for (;;) {
        pollfd items[] = {{listener.get(), POLLIN, 0}, {signal_fd.get(), POLLIN, 0}};
        int ready = ::poll(items, 2, static_cast<int>(idle.count()));
        if (ready == 0 || items[1].revents) return {};
        if (ready < 0) {
            if (errno == EINTR) continue;
            return errno_error("poll");
        }
        UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (peer) refuse(peer.get(), why);
    }
}

}  // namespace spoor::broker
