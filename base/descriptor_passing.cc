#include "base/descriptor_passing.h"

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

}  // namespace spoor
