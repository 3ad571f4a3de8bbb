#include "shim/runtime/runtime_features.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/unique_fd.h"
#include "shim/runtime/detached.h"
#include "shim/runtime/read_pipe.h"

namespace spoor {
namespace {

constexpr size_t largest_list = 256 * 1024;
constexpr std::string_view needed_hook = "createRuntime";

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
    return calls_create_runtime(runtime, read_pipe(ours.get(), end, largest_list).text);
}

}  // namespace spoor
