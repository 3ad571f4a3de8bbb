// Starting a container's recorder.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/runtime/detached.h"

namespace spoor {

// A recorder on its way. It watches the process that is or will become the wrapped runtime: if that
// ends before the createRuntime hook has called, there will be no container, and it cleans up.
class RecorderProcess {
public:
    // `job` is the file that has its job (shim/ipc/job.h), `runtime` a pidfd. With `announce` it says whether
    // tracing is possible; see wait_until_ready.
    static Result<RecorderProcess> start(const std::string& program, const std::string& job, int runtime,
                                         bool announce);

    // Waits until the program runs; gives its pid.
    Result<int> confirm(std::chrono::milliseconds deadline);
    // Waits for its word that this container can be traced. Its own reason is the error.
    Status wait_until_ready(std::chrono::steady_clock::time_point end);

private:
    RecorderProcess(Detached process, UniqueFd ready)
        : process_(std::move(process)), ready_(std::move(ready)) {}

    Detached process_;
    UniqueFd ready_;
};

}  // namespace spoor
