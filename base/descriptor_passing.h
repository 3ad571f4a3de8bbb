// Sending descriptors over a unix socket: SCM_RIGHTS of unix(7).
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <span>

namespace spoor {

inline constexpr size_t passed_descriptors_max = 4;

// sendmsg(2) of `size` bytes (none: no data part at all) with copies of `descriptors`, at most
// passed_descriptors_max, which stay the caller's. `to`: for a socket that is not connected. Returns what
// sendmsg does, with its errno.
ssize_t send_with_descriptors(int socket, const void* bytes, size_t size, std::span<const int> descriptors,
                              int flags, const sockaddr_un* to = nullptr);

}  // namespace spoor
