// One call of epoll(7).
#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "base/result.h"

namespace spoor {

// EPOLL_CTL_ADD of `fd`, which epoll_wait(2) then tells by its number.
inline Status watch(int epoll, int fd, uint32_t events = EPOLLIN) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) return errno_error("watch a descriptor");
    return {};
}

}  // namespace spoor
