// One container's recorder from its start by the runtime to its end: an event loop around a small
// state machine.
//
//   waiting   the runtime works; the createRuntime hook has not called yet
//   tracing   armed: records come
//   untraced  armed, but tracing was not possible: session.json says why; only the end is awaited
//   over      reports are written, the state directory is gone
//
// The end is the first of: the END record, the hook's `finish`, the container's init and then its
// cgroup gone, SIGTERM; or, while waiting, the end of the runtime. A state directory is left behind
// by SIGKILL only.
//
// Threads: one. Blocks only in calls to spoord, each with a deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/ipc/broker_client.h"
#include "shim/ipc/job.h"
#include "shim/ipc/log.h"
#include "shim/recorder/arming.h"
#include "shim/recorder/control_server.h"
#include "shim/recorder/own_volumes.h"
#include "shim/recorder/session_environment.h"
#include "shim/recorder/task_inbox.h"
#include "shim/recorder/traced_session.h"
#include "signal/volume.h"

namespace spoor {

class SessionLoop {
public:
    // `runtime`: pidfd of the process that becomes the container runtime. `ready`: one line of JSON
    // goes there, as control.h has it, when tracing is known to be possible or not.
    SessionLoop(Job job, UniqueFd runtime, UniqueFd ready, SessionEnvironment environment = {});
    ~SessionLoop();

    // Runs until the session is over. Blocks SIGTERM, SIGINT and SIGHUP in this thread.
    // The error says why no session could be held; the state directory is gone then, too.
    Status run();

private:
    enum class Phase { waiting, tracing, untraced, over };
    Status set_up();
    void prepare();
    Status loop();
    void dispatch(int fd, uint32_t events);
    [[nodiscard]] int next_timeout_ms() const;
    void work_if_due();
    Status watch(int fd, uint32_t events) const;

    void on_signal();
    void on_runtime_ended();
    void on_init_ended();
    void on_control(int connection);
    void serve(int connection, const ControlRequest& request);

    Status arm(pid_t pid);
    Status start_tracing(pid_t pid);
    void write_untraced(const std::string& reason);
    [[nodiscard]] Session facts() const;

    void drain();
    // The agent's signals: some of those that wait, or at the end all.
    void take_signals(bool all);
    // The broker's connection is another one, or there is one again.
    void watch_broker();
    [[nodiscard]] bool cgroup_gone() const;
    // Concludes, as soon as the final counters can be had or are given up.
    void conclude_when_settled(SessionState state);
    void conclude(SessionState state, std::vector<std::string> reasons);

    Job job_;
    UniqueFd runtime_;
    UniqueFd ready_;
    SessionEnvironment environment_;
    Log log_;

    Phase phase_ = Phase::waiting;
    UniqueFd epoll_;
    UniqueFd signals_;
    std::optional<ControlServer> control_;
    std::optional<Volume> volume_;          // until the trail takes it
    std::optional<broker::Client> broker_;  // until the session takes it
    std::optional<Error> impediment_;       // why tracing is not possible
    Arming arming_;
    FileIdentity state_dir_identity_;
    FileIdentity trace_identity_;

    UniqueFd init_;  // pidfd of the container's first process
    pid_t init_pid_ = 0;
    UniqueFd cgroup_;  // its cgroup's directory
    bool init_ended_ = false;
    bool runtime_ended_ = false;
    std::unique_ptr<TracedSession> session_;
    unsigned watched_generation_ = 0;
    unsigned watched_broker_ = 0;
    std::optional<SessionState> conclusion_;  // waits for spoord
    std::optional<TaskInbox> inbox_;
    bool signals_wait_ = false;
    std::vector<int> waiting_for_finish_;

    using Time = std::chrono::steady_clock::time_point;
    bool records_wait_ = false;
    Time next_drain_;
    Time no_pause_until_;
    std::optional<Time> flush_due_;
    std::optional<Time> cgroup_check_due_;
};

}  // namespace spoor
