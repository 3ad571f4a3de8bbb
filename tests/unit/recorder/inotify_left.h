// A user has few inotify descriptors, and whatever runs beside the tests uses them, too.
#pragma once

#include <sys/inotify.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/unique_fd.h"

namespace spoor::test {

// One of them. None if all have been in use for a minute.
inline UniqueFd wait_for_inotify() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (;;) {
        UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (inotify || errno != EMFILE || std::chrono::steady_clock::now() > end) return inotify;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

}  // namespace spoor::test
