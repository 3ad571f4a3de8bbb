#include "base/pid_namespace.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

namespace spoor {

Result<uint32_t> own_pid_namespace() {
    char self[16];
    const ssize_t size = ::readlink("/proc/self", self, sizeof self);
    if (size < 0 || std::string_view(self, static_cast<size_t>(size)) != std::to_string(::getpid()))
        return Error{ESRCH, "/proc is not of this pid namespace: mount a proc file system of its own there"};
    struct stat st {};
    if (::stat("/proc/self/ns/pid", &st) < 0) return errno_error("/proc/self/ns/pid");
    return static_cast<uint32_t>(st.st_ino);
}

}  // namespace spoor
