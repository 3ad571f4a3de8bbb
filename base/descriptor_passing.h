// Descriptors over a unix socket: SCM_RIGHTS of unix(7).
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <span>
#include <vector>

#include "base/unique_fd.h"

namespace spoor {

inline constexpr size_t passed_descriptors_max = 4;

// sendmsg(2) of `size` bytes (none: no data part at all) with copies of `descriptors`, at most
// passed_descriptors_max, which stay the caller's. `to`: for a socket that is not connected. Returns what
// sendmsg does, with its errno.
ssize_t send_with_descriptors(int socket, const void* bytes, size_t size, std::span<const int> descriptors,
                              int flags, const sockaddr_un* to = nullptr);

struct ReceivedPacket {
    ssize_t size = -1;  // bytes; 0: the peer has closed; -1: errno says why
    bool cut = false;   // bytes or descriptors did not fit
    std::vector<UniqueFd> descriptors;
};

// recvmsg(2) of one packet into `bytes`. As the control buffer is aligned, one descriptor
// more than `descriptors_max` (itself at most passed_descriptors_max) may come; all are owned by the result
// and closed on exec.
ReceivedPacket receive_with_descriptors(int socket, void* bytes, size_t room, size_t descriptors_max,
                                        int flags);

}  // namespace spoor
