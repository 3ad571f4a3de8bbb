// All tasks of a session: takes events and the agent's signals in, keeps an account of each open
// task, and has its report written when it ends.
//
// When signals come late. A signal about a process arrives milliseconds after it began to work,
// sometimes seconds. So
//  - what processes of no task do is remembered: the last `unclaimed_max` accesses. The signal
//    that claims such a process (or an ancestor) gives them to its task, in their order. If some
//    are forgotten by then, the task's report is not complete and says so
//  - what processes of a task do is held for `grace_ns`, and only then given to the task that the
//    process works for by then: a nested task's signal may be that late. After that a process
//    changes hands from the signal on. In strict mode nothing is held, or a program could run on
// Living processes that change hands are listed in take_renewals(): the kernel reports each access
// of a process once, and has to forget what it has reported.
//
// The end of a task: its `end` signal; or, when no process of it lives and none came for
// `quiet_ns`, a report is written that says so, and written again if more comes; or the end of the
// container. Memory follows the open tasks; of those that quietly ended the latest few are kept.
//
// Threads: one. Times are CLOCK_BOOTTIME nanoseconds. Nothing here fails: what goes wrong is a
// warning, of the task or of the session, and those are bounded in number.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "signal/access_log.h"
#include "signal/attribution.h"
#include "signal/line_file.h"
#include "signal/process_table.h"
#include "signal/task.h"
#include "signal/trail_listener.h"
#include "signal/unclaimed.h"

namespace spoor {

// The environment variables that tell a process's task; one that is empty is not looked for.
struct TaskVariables {
    std::string project = "NX_TASK_TARGET_PROJECT";
    std::string target = "NX_TASK_TARGET_TARGET";
    std::string configuration = "NX_TASK_TARGET_CONFIGURATION";
    std::string workspace_root = "NX_WORKSPACE_ROOT";
};

struct TaskOptions {
    TaskMode mode = TaskMode::warn;  // of the container: see TaskBook::mode_for
    // What a task's own signal may ask for; the container's mode is allowed in any case.
    std::set<TaskMode> modes{TaskMode::off, TaskMode::warn, TaskMode::strict};
    TaskVariables variables;
    JudgeMaker make_judge;                    // none: nothing is judged
    std::shared_ptr<TrailListener> listener;  // may be none
    // The process that a number means in a pid namespace nested in the container's (its inode), if
    // that can be told. Asked with the tree of all processes.
    std::function<std::optional<ProcessKey>(uint32_t pid, uint64_t pid_namespace, const Attribution&)>
        find_nested;

    size_t open_max = 4096;
    size_t memory_max = 96u * 1024 * 1024;  // of all tasks' paths together
    size_t unclaimed_max = 64 * 1024;
    uint64_t grace_ns = 250'000'000;
    uint64_t quiet_ns = 2'000'000'000;
    uint64_t violations_bytes_max = 64u * 1024 * 1024;  // of violations.jsonl
};

class TaskBook {
public:
    // Writes the report of a task; `end_ns` is when it ended.
    using Report = std::function<Status(Task&, TaskEnd, uint64_t end_ns)>;
    // A thing that a reader of session.json should know.
    using Warn = std::function<void(std::string)>;

    // All references stay the caller's and must outlive this. `paths` keeps the names of unclaimed
    // accesses, which it has anyway. `violations` is opened when the first task is.
    TaskBook(TaskOptions options, AccessSet& paths, ProcessTable& processes, LineFile& violations,
             const WallClock& clock, Report report, Warn warn);

    void on(const ForkEvent& event, uint64_t time_ns);
    void on(const ExecEvent& event, uint64_t time_ns);  // before the accesses that it makes
    void on(const ExitEvent& event, uint64_t time_ns);
    void on(const AccessEvent& event, uint64_t time_ns);
    // All events from before the signal must have been put in.
    void on(TaskSignal signal, uint64_t time_ns);

    // Does what time brings; to be called at due_ns() or later. UINT64_MAX: nothing is due.
    void tick(uint64_t now_ns);
    // A report may come of it.
    [[nodiscard]] bool will_report(uint64_t now_ns) const;
    [[nodiscard]] uint64_t due_ns() const;
    // The container has ended: reports for all that is open.
    void finish(uint64_t now_ns);

    struct HostProcess {
        ProcessKey process;
        uint32_t host_pid;  // 0: not known
    };
    // Whose reported accesses the kernel is to forget, since the last call.
    std::vector<HostProcess> take_renewals() { return std::exchange(renewals_, {}); }
    // Who is to be killed: the living processes of tasks that failed in strict mode.
    std::vector<HostProcess> take_kills() { return std::exchange(kills_, {}); }

    // Refusal in place, in strict mode, where the kernel side can. The tables and who they hold for are
    // handed out as they change; tables first. Whatever is not refused is judged as ever.
    [[nodiscard]] bool wants_refusals() const { return wants_refusals_ && !refusing_; }
    void refuse_in_place();
    struct Refusals {
        TaskNumber task;
        std::vector<uint8_t> table;  // TaskJudge::refusals(); empty: it holds no more
    };
    std::vector<Refusals> take_refusals() { return std::exchange(refusals_, {}); }
    struct Assignment {
        HostProcess process;
        TaskNumber task;  // whose table holds for it and what it forks; 0: none
    };
    std::vector<Assignment> take_assignments();
    // Those that were taken are in force now.
    void assigned(uint64_t now_ns) { assigned_ns_ = now_ns; }

    // Some task was open at some time.
    [[nodiscard]] bool used() const { return last_number_ != 0; }
    [[nodiscard]] size_t open() const { return tasks_.size(); }
    [[nodiscard]] uint64_t violations() const { return violation_lines_; }
    // A task's own mode counts, but that a container in strict mode stays strict.
    [[nodiscard]] static TaskMode mode_for(TaskMode container, std::optional<TaskMode> wanted);

    // Null if it is not open.
    [[nodiscard]] const Task* find(const std::string& id) const;

private:
    struct WaitingPid {
        TaskNumber task;
        uint64_t told_ns;
    };

    Task* open_task(const std::string& id, uint64_t time_ns);
    [[nodiscard]] Task* numbered(TaskNumber number);
    void take_environment(const ExecEvent& event, uint64_t time_ns);
    [[nodiscard]] bool is_within(TaskNumber inner, TaskNumber outer) const;
    void take_facts(Task& task, TaskSignal& signal);
    void settle_if_known(Task& task, uint64_t time_ns);

    void claim_pid(Task& task, uint32_t pid, uint64_t pid_namespace, uint64_t time_ns);
    void claim(Task& task, ProcessKey process);
    void claim_waiting(ProcessKey process);
    void wake(Task& task);
    void join(Task& task, ProcessKey process, bool alive);
    void apply(const Attribution::Changes& changes);
    void give_unclaimed(const Attribution::Changes& changes);

    void commit_held(uint64_t until_ns);
    void commit(const TimedAccess& held);
    void tell(Task& task, std::vector<Violation>& found);
    void fail(Task& task, const Violation& violation);
    void publish(Task& task);
    void close(Task& task, TaskEnd end, uint64_t time_ns);
    void report(Task& task, TaskEnd end, uint64_t time_ns);
    void look_for_quiet(uint64_t now_ns);
    void drop_reported();
    [[nodiscard]] size_t memory() const;

    TaskOptions options_;
    ProcessTable& processes_;
    LineFile& violations_;
    const WallClock& clock_;
    Report report_;
    Warn warn_;

    Attribution attribution_;
    std::map<TaskNumber, std::unique_ptr<Task>> tasks_;
    std::unordered_map<std::string, TaskNumber> numbers_;  // of the open ones
    RecentSet ended_{4096};                                // hashes of the ids of ended ones
    KeyedHash hash_;
    TaskNumber last_number_ = 0;
    std::unordered_map<uint32_t, std::vector<WaitingPid>> waiting_pids_;  // told and never seen

    std::deque<TimedAccess> held_;
    size_t held_bytes_ = 0;
    Unclaimed unclaimed_;
    uint64_t violation_lines_ = 0;
    bool refused_told_ = false, violations_full_told_ = false;
    uint64_t quiet_check_ns_ = 0;

    std::vector<HostProcess> renewals_, kills_;

    bool wants_refusals_ = false, refusing_ = false;
    bool published_ = false;  // some table, at some time
    std::vector<Refusals> refusals_;
    std::vector<HostProcess> to_assign_;
    uint64_t assigned_ns_ = 0;
};

}  // namespace spoor
