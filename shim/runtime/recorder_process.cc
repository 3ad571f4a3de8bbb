#include "shim/runtime/recorder_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/files.h"
#include "shim/ipc/control.h"
#include "shim/runtime/read_pipe.h"

namespace spoor {
namespace {

constexpr size_t largest_answer = 16 * 1024;

std::vector<std::string> recorder_environment() {
    std::vector<std::string> environment;
    for (const char* name : {"PATH", "HOME", "XDG_RUNTIME_DIR"})
        if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
    return environment;
}

struct Ready {
    UniqueFd ours;
    UniqueFd theirs;
};

// Unless somebody listens the recorder talks to /dev/null: a closed pipe would be a signal to it.
Result<Ready> make_ready(bool announce) {
    Ready ready;
    if (!announce) {
        auto null = open_file("/dev/null", O_WRONLY);
        if (!null) return std::move(null).error();
        ready.theirs = std::move(*null);
        return ready;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
    ready.ours.reset(ends[0]);
    ready.theirs.reset(ends[1]);
    return ready;
}

}  // namespace

Result<RecorderProcess> RecorderProcess::start(const std::string& program, const std::string& job,
                                               int runtime, bool announce) {
    const auto job_fd = open_file(job, O_RDONLY);
    if (!job_fd) return job_fd.error();
    auto ready = make_ready(announce);
    if (!ready) return std::move(ready).error();

    auto process = start_detached({program,
                                   {"--job-fd", "3", "--runtime-pidfd", "4", "--ready-fd", "5"},
                                   recorder_environment(),
                                   {job_fd->get(), runtime, ready->theirs.get()}});
    if (!process) return std::move(process).error();
    return RecorderProcess(std::move(*process), std::move(ready->ours));
}

Result<int> RecorderProcess::confirm(std::chrono::milliseconds deadline) {
    return process_.confirm(static_cast<int>(deadline.count()));
}

Status RecorderProcess::wait_until_ready(std::chrono::steady_clock::time_point end) {
    const auto [line, in_time] = read_pipe(ready_.get(), end, largest_answer, '\n');
    if (!in_time) return Error{ETIMEDOUT, "the recorder was not ready within setup_deadline"};
    if (line.empty()) return Error{ECONNRESET, "the recorder ended before it was ready"};
    return parse_control_answer(line.substr(0, line.find('\n')));
}

}  // namespace spoor
