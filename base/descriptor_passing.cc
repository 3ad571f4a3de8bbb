#include "base/descriptor_passing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace spoor {

ssize_t send_with_descriptors(int socket, const void* bytes, size_t size, std::span<const int> descriptors,
                              int flags, const sockaddr_un* to) {
    if (descriptors.size() > passed_descriptors_max) {
        errno = EINVAL;
        return -1;
    }
    iovec part{const_cast<void*>(bytes), size};
    alignas(cmsghdr) char control[CMSG_SPACE(passed_descriptors_max * sizeof(int))] = {};
    msghdr header{};
    if (to != nullptr) {
        header.msg_name = const_cast<sockaddr_un*>(to);
        header.msg_namelen = sizeof *to;
    }
    if (size > 0) {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
    }
    if (!descriptors.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    return ::sendmsg(socket, &header, flags);
}

ReceivedPacket receive_with_descriptors(int socket, void* bytes, size_t room, size_t descriptors_max,
                                        int flags) {
    iovec part{bytes, room};
    alignas(cmsghdr) char control[CMSG_SPACE(passed_descriptors_max * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(std::min(descriptors_max, passed_descriptors_max) * sizeof(int));
    ReceivedPacket received;
    received.size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | flags);
    if (received.size < 0) return received;
    received.cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (cmsghdr* rights = CMSG_FIRSTHDR(&header); rights; rights = CMSG_NXTHDR(&header, rights)) {
        if (rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) continue;
        for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= rights->cmsg_len; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
            received.descriptors.emplace_back(fd);
        }
    }
    return received;
}

}  // namespace spoor
