#include "shim/runtime/hook.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/files.h"
#include "base/number.h"
#include "oci/container_state.h"
#include "shim/ipc/control.h"
#include "shim/ipc/job.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/error_output.h"
#include "shim/runtime/state_dir.h"
#include "shim/runtime/sweep.h"
#include "signal/session.h"

namespace spoor {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t largest_state = 16 * 1024 * 1024;
constexpr size_t largest_job = 16 * 1024 * 1024;
constexpr milliseconds retry_every{2};
// For writing the reports, which may be long; the caller's `delete` waits that long at most.
constexpr milliseconds finish_deadline{10'000};

struct HookArguments {
    std::string state_dir;
    milliseconds deadline{2000};
    bool refuse = false;
    LogDestination log;
    std::optional<std::string> answer;  // the recorder's, which shim/front has asked already
};

std::optional<HookArguments> parse_arguments(std::span<const char* const> words) {
    HookArguments out;
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
        const std::string_view name = words[i];
        const std::string_view value = words[i + 1];
        if (name == "--state") out.state_dir = value;
        if (name == "--on-unavailable") out.refuse = value == "refuse";
        if (name == "--log") out.log.log = value;
        if (name == "--log-format") out.log.format = value;
        if (name == "--answer") out.answer = value;
        if (name == "--deadline-ms") {
            const auto number = number_in<int>(value);
            if (!number || *number < 0) return std::nullopt;
            out.deadline = milliseconds(*number);
        }
    }
    if (words.size() % 2 != 0 || out.state_dir.empty()) return std::nullopt;
    return out;
}

bool recorder_alive(const std::string& state_dir) {
    const auto identity = read_file(state_dir + "/" + recorder_file, 256);
    return identity && is_alive(*identity);
}

bool nobody_listens(const Status& status) {
    const int code = status.error().code;
    return code == ECONNREFUSED || code == ENOENT;
}

// The hook may be quicker than the recorder: while that lives it is about to listen, but if it does not
// within `patience` it hangs (ETIME).
Status call_recorder(const std::string& state_dir, const ControlRequest& request, milliseconds deadline,
                     milliseconds patience) {
    const auto begin = Clock::now();
    const auto left = [&] { return std::chrono::ceil<milliseconds>(begin + deadline - Clock::now()); };
    if (left().count() <= 0) return Error{ETIMEDOUT, "the recorder did not answer in time"};
    do {
        auto status = call_control(state_dir, request, left());
        if (status || !nobody_listens(status)) return status;
        if (!recorder_alive(state_dir)) return Error{ESRCH, "the recorder has ended"};
        std::this_thread::sleep_for(retry_every);
    } while (Clock::now() - begin < std::min(patience, deadline));
    return Error{ETIME, "the recorder did not listen in time"};
}

// One that hangs, before it listens: what the container is without it, it would not know of.
void kill_recorder(const std::string& state_dir) {
    if (const auto identity = read_file(state_dir + "/" + recorder_file, 256)) kill_process(*identity);
}

// For a recorder that is gone: nobody else can tell the readers.
void tell_readers(const std::string& state_dir, const std::string& reason, bool container_is_new) {
    const auto text = read_file(state_dir + "/" + job_file, largest_job);
    if (!text) return;
    const auto job = parse_job(*text);
    if (!job) return;
    const auto marked = mark_session_degraded(job->volume_dir, job->container_id, reason);
    if (!marked && container_is_new)
        (void)write_untraced_session(job->volume_dir, job->container_id, job->image, reason);
}

// crun gives hooks /dev/null for a stderr. Its own is where its error will stand, so ours goes
// there too; that this fails on a socket is no loss, the log has it.
void print_to_runtime(const std::string& message) {
    struct stat own {};
    struct stat null {};
    if (::fstat(STDERR_FILENO, &own) != 0 || ::stat("/dev/null", &null) != 0 || own.st_rdev != null.st_rdev)
        return;
    const auto theirs = open_file("/proc/" + std::to_string(::getppid()) + "/fd/2",
                                  O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK);
    if (theirs) (void)write_all(theirs->get(), "spoor: " + message + "\n");
}

int create_runtime(const HookArguments& arguments, const std::string& state) {
    const Status armed = [&]() -> Status {
        if (arguments.answer) return parse_control_answer(*arguments.answer);
        const auto pid = parse_state_pid(state);
        if (!pid) return pid.error();
        return call_recorder(arguments.state_dir, {ControlRequest::Op::arm, *pid}, arguments.deadline,
                             arguments.deadline);
    }();
    if (armed) return 0;
    const std::string& reason = armed.error().message;
    const int code = armed.error().code;
    if (code == ETIME) kill_recorder(arguments.state_dir);
    // A recorder that lives has the volume locked, unless it hangs before that.
    if (code == ESRCH || code == ECONNRESET || code == ETIMEDOUT || code == ETIME)
        tell_readers(arguments.state_dir, reason, true);
    if (!arguments.refuse) return 0;
    report_error(arguments.log, "tracing is not possible: " + reason);
    print_to_runtime("tracing is not possible: " + reason);
    return 1;
}

// Never fails: the container is gone, and an error here would only trouble its manager.
int finish_container(const HookArguments& arguments) {
    struct stat st {};
    if (::lstat(arguments.state_dir.c_str(), &st) != 0) return 0;  // the recorder has finished already
    const auto ask_to_finish = [&] {
        return call_recorder(arguments.state_dir, {ControlRequest::Op::finish, 0}, finish_deadline,
                             arguments.deadline);
    };
    auto finished = arguments.answer ? parse_control_answer(*arguments.answer) : ask_to_finish();
    // It hung up without an answer: killed just now, so that nobody will listen any more.
    if (!finished && finished.error().code == ECONNRESET) finished = ask_to_finish();
    if (finished || (finished.error().code != ESRCH && finished.error().code != ETIME)) return 0;
    if (finished.error().code == ETIME) kill_recorder(arguments.state_dir);
    if (::lstat(arguments.state_dir.c_str(), &st) != 0) return 0;
    tell_readers(arguments.state_dir, "the recorder ended before the container", false);
    (void)remove_tree(arguments.state_dir);
    return 0;
}

}  // namespace

int run_hook(std::span<const char* const> arguments) {
    if (arguments.empty()) {
        report_error({}, "'hook' is for the wrapped runtime's use");
        return 1;
    }
    const auto parsed = parse_arguments(arguments.subspan(1));
    const std::string_view name = arguments[0];
    if (!parsed || (name != "create-runtime" && name != "poststop")) {
        report_error({}, "'hook' is for the wrapped runtime's use");
        return 1;
    }
    // Read in any case: the runtime may still be writing, and a closed pipe is an error to it.
    const auto state = read_fd(STDIN_FILENO, largest_state);
    if (name == "poststop") {
        const int code = finish_container(*parsed);
        sweep_beside(parsed->state_dir);
        return code;
    }
    return create_runtime(*parsed, state ? *state : "");
}

}  // namespace spoor
