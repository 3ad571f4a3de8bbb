#include "shim/runtime/recorder_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/files.h"
#include "base/process.h"
#include "shim/ipc/control.h"

namespace spoor {
namespace {

constexpr size_t largest_answer = 16 * 1024;

Result<UniqueFd> job_descriptor(const Job& job) {
    UniqueFd fd(::memfd_create("spoor-job", MFD_CLOEXEC));
    if (!fd) return errno_error("memfd_create");
    SPOOR_TRY(write_all(fd.get(), to_json(job)));
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) return errno_error("rewind the job");
    return fd;
}

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

Result<RecorderProcess> RecorderProcess::start(const std::string& program, const Job& job, bool announce) {
    const auto job_fd = job_descriptor(job);
    if (!job_fd) return job_fd.error();
    const auto pidfd = open_pidfd(::getpid());
    if (!pidfd) return pidfd.error();
    auto ready = make_ready(announce);
    if (!ready) return std::move(ready).error();

    auto process = start_detached({program,
                                   {"--job-fd", "3", "--runtime-pidfd", "4", "--ready-fd", "5"},
                                   recorder_environment(),
                                   {job_fd->get(), pidfd->get(), ready->theirs.get()}});
    if (!process) return std::move(process).error();
    return RecorderProcess(std::move(*process), std::move(ready->ours));
}

Result<int> RecorderProcess::confirm(std::chrono::milliseconds deadline) {
    return process_.confirm(static_cast<int>(deadline.count()));
}

Status RecorderProcess::wait_until_ready(std::chrono::steady_clock::time_point end) {
    std::string line;
    while (line.size() < largest_answer && line.find('\n') == std::string::npos) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd item{ready_.get(), POLLIN, 0};
        const int events = left.count() <= 0 ? 0 : ::poll(&item, 1, static_cast<int>(left.count()));
        if (events < 0 && errno == EINTR) continue;
        if (events <= 0) return Error{ETIMEDOUT, "the recorder was not ready within setup_deadline"};
        std::array<char, 4096> buffer;
        const ssize_t got = ::read(ready_.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        line.append(buffer.data(), static_cast<size_t>(got));
    }
    if (line.empty()) return Error{ECONNRESET, "the recorder ended before it was ready"};
    return parse_control_answer(line.substr(0, line.find('\n')));
}

}  // namespace spoor
