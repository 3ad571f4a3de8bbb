// spoor-recorder: follows one container and writes its trail. Started by spoor, which passes the
// job, a pidfd of itself (it becomes the container runtime) and where to say that tracing is ready.
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/number.h"
#include "shim/ipc/job.h"
#include "shim/recorder/session_loop.h"

namespace {

using namespace spoor;

constexpr size_t largest_job = 16 * 1024 * 1024;
constexpr int exit_usage = 64;

// The value of `option` as an inherited descriptor, made close-on-exec and owned.
UniqueFd inherited(int argc, char** argv, std::string_view option) {
    for (int i = 1; i + 1 < argc; i += 2) {
        if (argv[i] != option) continue;
        const auto fd = number_in<int>(argv[i + 1]);
        if (!fd || ::fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0) return {};
        return UniqueFd(*fd);
    }
    return {};
}

Result<Job> read_job(const UniqueFd& fd) {
    // A memfd comes with its writer's position.
    ::lseek(fd.get(), 0, SEEK_SET);
    auto text = read_fd(fd.get(), largest_job);
    if (!text) return std::move(text).error();
    return parse_job(*text);
}

int fail(const UniqueFd& ready, const Error& error) {
    [[maybe_unused]] auto told = write_all(ready.get(), control_answer(error) + "\n");
    std::fprintf(stderr, "spoor-recorder: %s\n", error.message.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--version") {
        std::puts("spoor-recorder " SPOOR_VERSION);
        return 0;
    }
    UniqueFd job_fd = inherited(argc, argv, "--job-fd");
    UniqueFd runtime = inherited(argc, argv, "--runtime-pidfd");
    UniqueFd ready = inherited(argc, argv, "--ready-fd");
    if (argc != 7 || !job_fd || !runtime || !ready) {
        std::fputs("usage: spoor-recorder --job-fd N --runtime-pidfd N --ready-fd N (started by spoor)\n",
                   stderr);
        return exit_usage;
    }
    ::signal(SIGPIPE, SIG_IGN);
    auto job = read_job(job_fd);
    if (!job) return fail(ready, std::move(job).error().context("the job"));
    job_fd.reset();
    SessionEnvironment environment;
    // Where setting up may take longer than that, so may a spoord that is started again.
    environment.absence_limit =
        std::max(environment.absence_limit, std::chrono::milliseconds(job->setup_deadline_ms));
    SessionLoop loop(std::move(*job), std::move(runtime), std::move(ready), std::move(environment));
    if (auto over = loop.run(); !over) {
        std::fprintf(stderr, "spoor-recorder: %s\n", over.error().message.c_str());
        return 1;
    }
    return 0;
}
