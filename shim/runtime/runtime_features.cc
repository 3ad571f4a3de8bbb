#include "shim/runtime/runtime_features.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/unique_fd.h"
#include "shim/runtime/detached.h"

namespace spoor {
namespace {

constexpr size_t largest_list = 256 * 1024;
constexpr std::string_view needed_hook = "createRuntime";

// What is written into `fd` until its other ends are closed, or until `end`.
std::string read_until(int fd, std::chrono::steady_clock::time_point end) {
    std::string text;
    while (text.size() < largest_list) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd item{fd, POLLIN, 0};
        const int events = left.count() <= 0 ? 0 : ::poll(&item, 1, static_cast<int>(left.count()));
        if (events < 0 && errno == EINTR) continue;
        if (events <= 0) break;
        std::array<char, 4096> buffer;
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(buffer.data(), static_cast<size_t>(got));
    }
    return text;
}

}  // namespace

Status calls_create_runtime(const std::string& runtime, std::string_view features) {
    const auto answer = nlohmann::json::parse(features, nullptr, false);
    if (!answer.is_object()) return {};
    const auto hooks = answer.find("hooks");
    if (hooks == answer.end() || !hooks->is_array()) return {};
    if (std::find(hooks->begin(), hooks->end(), needed_hook) != hooks->end()) return {};
    return Error{ENOTSUP, runtime +
                              " calls no createRuntime hook (its `features` do not list it), so there is no "
                              "moment for tracing to begin in"};
}

Status ask_for_hooks(const std::string& runtime, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    const auto seconds = static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(deadline).count());
    SPOOR_TRY(start_detached({theirs.get()}, [&runtime, seconds] {
        if (::dup2(3, STDOUT_FILENO) < 0 || ::fcntl(3, F_SETFD, FD_CLOEXEC) != 0) return;
        ::alarm(seconds);  // outlives execve: nobody else would end what hangs
        ::execl(runtime.c_str(), runtime.c_str(), "features", nullptr);
    }));
    theirs.reset();
    return calls_create_runtime(runtime, read_until(ours.get(), end));
}

}  // namespace spoor
