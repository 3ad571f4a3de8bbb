#include "shim/runtime/read_pipe.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace spoor {

PipeText read_pipe(int fd, std::chrono::steady_clock::time_point end, size_t limit,
                   std::optional<char> stop) {
    PipeText out;
    while (out.text.size() < limit && (!stop || out.text.find(*stop) == std::string::npos)) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd item{fd, POLLIN, 0};
        // What is there is taken, late or not.
        const int events = ::poll(&item, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
        if (events < 0 && errno == EINTR) continue;
        if (events <= 0) {
            out.in_time = false;
            break;
        }
        std::array<char, 4096> buffer;
        const ssize_t got = ::read(fd, buffer.data(), std::min(buffer.size(), limit - out.text.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        out.text.append(buffer.data(), static_cast<size_t>(got));
    }
    return out;
}

}  // namespace spoor
