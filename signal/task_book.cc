#include "signal/task_book.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "signal/names.h"

namespace spoor {
namespace {

constexpr uint64_t never = std::numeric_limits<uint64_t>::max();
constexpr size_t held_bytes_max = 8 * 1024 * 1024;
constexpr size_t waiting_pids_max = 1024;
constexpr size_t members_max = 128 * 1024;
constexpr size_t reported_max = 32;  // tasks that ended quietly and may yet go on
constexpr uint64_t quiet_check_interval_ns = 500'000'000;
constexpr uint64_t ended_pid_ns = 60'000'000'000;  // so long after its end a number still means a process
constexpr int nesting_max = 64;

size_t bytes_of(const AccessEvent& event) { return sizeof(event) + event.path.size() + event.to.size() + 16; }

std::string_view value_of(const ExecEvent& event, std::string_view name) {
    if (name.empty()) return {};
    for (std::string_view entry : event.environment)
        if (entry.starts_with(name) && entry.substr(name.size()).starts_with('='))
            return entry.substr(name.size() + 1);
    return {};
}

}  // namespace

TaskBook::TaskBook(TaskOptions options, AccessSet& paths, ProcessTable& processes, LineFile& violations,
                   const WallClock& clock, Report report, Warn warn)
    : options_(std::move(options)),
      processes_(processes),
      violations_(violations),
      clock_(clock),
      report_(std::move(report)),
      warn_(std::move(warn)),
      attribution_([this](TaskNumber inner, TaskNumber outer) { return is_within(inner, outer); }),
      unclaimed_(paths, options_.unclaimed_max) {}

TaskMode TaskBook::mode_for(TaskMode container, std::optional<TaskMode> wanted) {
    return container == TaskMode::strict ? container : wanted.value_or(container);
}

// ---------------------------------------------------------------------------------- which tasks

const Task* TaskBook::find(const std::string& id) const {
    auto number = numbers_.find(id);
    return number == numbers_.end() ? nullptr : tasks_.at(number->second).get();
}

Task* TaskBook::numbered(TaskNumber number) {
    auto task = tasks_.find(number);
    return task == tasks_.end() ? nullptr : task->second.get();
}

size_t TaskBook::memory() const {
    size_t sum = 0;
    for (const auto& [number, task] : tasks_) sum += task->accesses.memory();
    return sum;
}

Task* TaskBook::open_task(const std::string& id, uint64_t time_ns) {
    if (auto known = numbers_.find(id); known != numbers_.end()) return numbered(known->second);
    if (tasks_.size() >= options_.open_max) {
        if (!std::exchange(refused_told_, true))
            warn_("more than " + std::to_string(options_.open_max) + " tasks at once: task " + id +
                  " and others were not taken in");
        return nullptr;
    }
    if (!used())
        if (auto opened = violations_.open(); !opened) warn_("violations.jsonl: " + opened.error().message);
    // Half of what is left for each: the first can be large, and there is always something.
    const size_t used_bytes = memory();
    const size_t left = used_bytes < options_.memory_max ? options_.memory_max - used_bytes : 0;
    auto task = std::make_unique<Task>(++last_number_, id, options_.mode,
                                       std::max(left / 2, size_t{256 * 1024}), time_ns);
    Task* opened = task.get();
    numbers_.emplace(id, opened->number);
    tasks_.emplace(opened->number, std::move(task));
    return opened;
}

bool TaskBook::is_within(TaskNumber inner, TaskNumber outer) const {
    for (int depth = 0; depth < nesting_max; ++depth) {
        auto task = tasks_.find(inner);
        if (task == tasks_.end() || task->second->parent.empty()) return false;
        auto parent = numbers_.find(task->second->parent);
        if (parent == numbers_.end()) return false;
        if (parent->second == outer) return true;
        inner = parent->second;
    }
    return false;
}

void TaskBook::take_environment(const ExecEvent& event, uint64_t time_ns) {
    std::string_view project = value_of(event, options_.variables.project);
    std::string_view target = value_of(event, options_.variables.target);
    std::string id;
    if (!project.empty() && !target.empty()) id = std::string(project) + ":" + std::string(target);
    if (auto configuration = value_of(event, options_.variables.configuration);
        !id.empty() && !configuration.empty())
        id += ":" + std::string(configuration);
    if (id.size() > task_id_bytes_max) {
        warn_("a process's environment names a task in more than " + std::to_string(task_id_bytes_max) +
              " bytes");
        id.clear();
    }
    const uint64_t name = id.empty() ? 0 : hash_(1, id) | 1;
    if (attribution_.environment(event.process) == name) return;
    Task* task = id.empty() ? nullptr : open_task(id, time_ns);
    if (task != nullptr) {
        if (task->context.project.empty()) task->context.project = project;
        auto root = value_of(event, options_.variables.workspace_root);
        if (task->context.workspace_root.empty() && root.starts_with('/'))
            task->context.workspace_root = root;
    }
    apply(attribution_.on_environment(event.process, name, task == nullptr ? 0 : task->number));
}

// Something comes in again: the report that may stand there is not the last.
void TaskBook::wake(Task& task) {
    task.reported = false;
    if (quiet_check_ns_ == 0) quiet_check_ns_ = 1;
}

// --------------------------------------------------------------------------------------- events

void TaskBook::join(Task& task, ProcessKey process, bool alive) {
    if (task.members.size() < members_max)
        task.members.push_back(process);
    else
        task.warn("processTree has the first " + std::to_string(members_max) + " processes only");
    processes_.assign(process, task.id);
    if (task.context.workspace_root.empty())
        task.context.workspace_root = processes_.working_directory(process, false);
    task.quiet_since_ns = 0;
    wake(task);
    if (!alive) return;
    task.living.push_back(process);
    if (task.fatal) kills_.push_back({process, attribution_.host_pid(process)});
}

void TaskBook::on(const ForkEvent& event, uint64_t time_ns) {
    attribution_.on_fork(event.child, event.parent, event.host_pid);
    // Forked before its parent was assigned, or just then: it may not have inherited that.
    constexpr uint64_t margin_ns = 10'000'000;
    if (published_ && time_ns <= assigned_ns_ + margin_ns)
        to_assign_.push_back({event.child, event.host_pid});
    for (TaskNumber number : attribution_.tasks(event.child))
        if (Task* task = numbered(number)) join(*task, event.child, true);
    claim_waiting(event.child);
}

void TaskBook::on(const ExecEvent& event, uint64_t time_ns) {
    attribution_.seen(event.process, event.parent_pid, event.host_pid);
    claim_waiting(event.process);
    take_environment(event, time_ns);
    for (TaskNumber number : attribution_.tasks(event.process))
        if (Task* task = numbered(number); task != nullptr && !task->settled())
            settle_if_known(*task, time_ns);
}

void TaskBook::on(const ExitEvent& event, uint64_t time_ns) { attribution_.on_exit(event.process, time_ns); }

void TaskBook::on(const AccessEvent& event, uint64_t time_ns) {
    auto tasks = attribution_.tasks(event.process);
    if (tasks.empty()) {
        if (!waiting_pids_.empty()) {
            attribution_.seen(event.process);
            claim_waiting(event.process);
        }
        if (attribution_.tasks(event.process).empty()) return unclaimed_.add(event, time_ns);
    }
    held_bytes_ += bytes_of(event);
    held_.push_back({event, time_ns});
    if (held_bytes_ > held_bytes_max) commit_held(held_[held_.size() / 2].time_ns);
    for (TaskNumber number : attribution_.tasks(event.process))
        if (Task* task = numbered(number); task != nullptr && task->mode == TaskMode::strict)
            return commit_held(never);
}

void TaskBook::commit_held(uint64_t until_ns) {
    while (!held_.empty() && held_.front().time_ns <= until_ns) {
        held_bytes_ -= std::min(held_bytes_, bytes_of(held_.front().event));
        commit(held_.front());
        held_.pop_front();
    }
    violations_.flush();
}

void TaskBook::commit(const TimedAccess& held) {
    std::vector<Violation> found;
    for (TaskNumber number : attribution_.tasks(held.event.process)) {
        Task* task = numbered(number);
        if (task == nullptr || task->mode == TaskMode::off) continue;
        task->add(held.event, held.time_ns, found);
        tell(*task, found);
    }
}

// -------------------------------------------------------------------------------------- signals

void TaskBook::on(TaskSignal signal, uint64_t time_ns) {
    if (signal.event != TaskEvent::start && !numbers_.contains(signal.task_id) &&
        ended_.contains(hash_(0, signal.task_id)))
        return warn_("task " + signal.task_id + ": a signal came after its end and was ignored");
    Task* task = open_task(signal.task_id, time_ns);
    if (task == nullptr) return;
    wake(*task);
    commit_held(time_ns - std::min(time_ns, options_.grace_ns));
    take_facts(*task, signal);
    if (signal.pid != 0) claim_pid(*task, signal.pid, signal.pid_namespace, time_ns);
    settle_if_known(*task, time_ns);
    std::vector<Violation> found;
    const bool more =
        signal.declared.inputs || signal.declared.outputs || signal.declared.dependencies_outputs;
    task->declare(std::move(signal.declared), time_ns, found);
    tell(*task, found);
    if (signal.event != TaskEvent::end && (more || !task->refuses)) publish(*task);
    violations_.flush();
    if (signal.event == TaskEvent::end) close(*task, TaskEnd::signalled, time_ns);
}

void TaskBook::take_facts(Task& task, TaskSignal& signal) {
    task.started |= signal.event == TaskEvent::start;
    if (!task.settled()) {
        auto take = [](std::string& to, std::string& from) {
            if (!from.empty()) to = std::move(from);
        };
        take(task.context.workspace_root, signal.workspace_root);
        take(task.context.project_root, signal.project_root);
        take(task.context.project, signal.project);
        if (!signal.projects.empty()) task.context.projects = std::move(signal.projects);
    } else if (!signal.workspace_root.empty() && signal.workspace_root != task.context.workspace_root) {
        task.warn("its workspaceRoot came too late, or twice: " + task.context.workspace_root + " holds");
    }
    if (!signal.parent.empty()) task.parent = std::move(signal.parent);
    if (!signal.status.empty()) task.status = std::move(signal.status);
    if (signal.code) task.code = signal.code;
    if (!signal.put_url.empty()) task.put_url = std::move(signal.put_url);
    if (!signal.mode) return;
    const bool allowed = *signal.mode == options_.mode || options_.modes.contains(*signal.mode);
    if (allowed) task.mode = mode_for(options_.mode, signal.mode);
    if (task.mode != *signal.mode)
        task.warn("mode " + std::string(name_of(*signal.mode)) + " was asked for" +
                  (allowed ? " in a container that is strict" : ", which is not allowed here"));
}

// A start tells the workspace, or leaves it to the working directory of the task's first program.
void TaskBook::settle_if_known(Task& task, uint64_t time_ns) {
    if (task.settled() || !task.started || task.context.workspace_root.empty()) return;
    std::vector<Violation> found;
    task.settle_context(options_.make_judge, time_ns, found);
    tell(task, found);
    publish(task);
}

void TaskBook::claim_pid(Task& task, uint32_t pid, uint64_t pid_namespace, uint64_t time_ns) {
    std::optional<ProcessKey> process;
    if (pid_namespace != 0 && options_.find_nested) {
        process = options_.find_nested(pid, pid_namespace, attribution_);
        if (!process)
            task.warn("pid " + std::to_string(pid) + " of pid namespace " + std::to_string(pid_namespace) +
                      " is no process that is traced");
    } else {
        process = attribution_.find(pid, time_ns - std::min(time_ns, ended_pid_ns));
        if (!process && waiting_pids_.size() < waiting_pids_max)
            waiting_pids_[pid].push_back({task.number, time_ns});
    }
    if (process) claim(task, *process);
}

void TaskBook::claim(Task& task, ProcessKey process) {
    task.claimed.push_back(process);
    apply(attribution_.claim(task.number, process));
}

void TaskBook::claim_waiting(ProcessKey process) {
    auto waiting = waiting_pids_.find(process.pid);
    if (waiting == waiting_pids_.end()) return;
    const std::vector<WaitingPid> told = std::move(waiting->second);
    waiting_pids_.erase(waiting);
    for (const WaitingPid& entry : told)
        if (Task* task = numbered(entry.task); task != nullptr && process.start_ns <= entry.told_ns)
            claim(*task, process);
}

void TaskBook::apply(const Attribution::Changes& changes) {
    if (changes.empty()) return;
    give_unclaimed(changes);
    for (const Attribution::Change& change : changes) {
        bool gained = false;
        for (TaskNumber number : attribution_.tasks(change.process)) {
            if (std::find(change.before.begin(), change.before.end(), number) != change.before.end())
                continue;
            gained = true;
            Task* task = numbered(number);
            if (task == nullptr) continue;
            join(*task, change.process, change.alive);
            if (change.had_none && unclaimed_.has_forgotten(change.process))
                task->reasons.push_back("the signal about pid " + std::to_string(change.process.pid) +
                                        " came so late that some of what it had done before was forgotten");
        }
        if (change.alive && published_) to_assign_.push_back({change.process, change.host_pid});
        if (change.alive && (!change.had_none || !gained))
            renewals_.push_back({change.process, change.host_pid});
    }
}

// What they did before they worked for any task, merged into what is held by its times.
void TaskBook::give_unclaimed(const Attribution::Changes& changes) {
    std::vector<ProcessKey> whose;
    for (const Attribution::Change& change : changes)
        if (change.had_none && !attribution_.tasks(change.process).empty()) whose.push_back(change.process);
    if (whose.empty()) return;
    std::deque<TimedAccess> taken = unclaimed_.take(whose);
    for (const TimedAccess& access : taken) held_bytes_ += bytes_of(access.event);
    std::deque<TimedAccess> merged;
    std::merge(std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end()),
               std::make_move_iterator(held_.begin()), std::make_move_iterator(held_.end()),
               std::back_inserter(merged),
               [](const TimedAccess& a, const TimedAccess& b) { return a.time_ns < b.time_ns; });
    held_ = std::move(merged);
}

// ----------------------------------------------------------------------------------------- ends

void TaskBook::close(Task& task, TaskEnd end, uint64_t time_ns) {
    commit_held(never);
    if (!task.reported) report(task, end, time_ns);
    std::vector<ProcessKey> who = std::move(task.members);
    who.insert(who.end(), task.claimed.begin(), task.claimed.end());
    std::sort(who.begin(), who.end(), [](ProcessKey a, ProcessKey b) {
        return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.pid < b.pid;
    });
    who.erase(std::unique(who.begin(), who.end()), who.end());
    const TaskNumber number = task.number;
    if (task.refuses) refusals_.push_back({number, {}});
    ended_.insert(hash_(0, *task.id));
    numbers_.erase(*task.id);
    tasks_.erase(number);
    for (auto waiting = waiting_pids_.begin(); waiting != waiting_pids_.end();) {
        std::erase_if(waiting->second, [number](const WaitingPid& entry) { return entry.task == number; });
        waiting = waiting->second.empty() ? waiting_pids_.erase(waiting) : std::next(waiting);
    }
    if (end != TaskEnd::container) apply(attribution_.release(number, who));
}

void TaskBook::report(Task& task, TaskEnd end, uint64_t time_ns) {
    if (task.context.workspace_root.empty() && !task.members.empty())
        task.context.workspace_root = processes_.working_directory(task.members.front(), true);
    std::vector<Violation> found;
    task.settle_context(options_.make_judge, time_ns, found);
    tell(task, found);
    violations_.flush();
    for (const auto& [pid, waiting] : waiting_pids_)
        for (const WaitingPid& entry : waiting)
            if (entry.task == task.number)
                task.warn("pid " + std::to_string(pid) + " is no process that is traced");
    if (auto written = report_(task, end, time_ns); !written)
        warn_("the report of task " + *task.id + ": " + written.error().message);
    task.reported = true;
}

void TaskBook::look_for_quiet(uint64_t now_ns) {
    for (auto& entry : tasks_) {
        const TaskNumber number = entry.first;
        Task* const task = entry.second.get();
        if (task->living.empty() && task->members.empty()) continue;
        std::erase_if(task->living, [&](ProcessKey process) {
            auto tasks = attribution_.tasks(process);
            return !attribution_.alive(process) ||
                   std::find(tasks.begin(), tasks.end(), number) == tasks.end();
        });
        if (!task->living.empty())
            task->quiet_since_ns = 0;
        else if (task->quiet_since_ns == 0)
            task->quiet_since_ns = now_ns;
        if (task->quiet_since_ns == 0 || now_ns < task->quiet_since_ns + options_.quiet_ns || task->reported)
            continue;
        commit_held(never);
        report(*task, TaskEnd::process_tree, now_ns);
    }
    drop_reported();
}

void TaskBook::drop_reported() {
    size_t reported = 0;
    for (const auto& [number, task] : tasks_) reported += task->reported;
    // The oldest first: numbers ascend.
    for (auto task = tasks_.begin(); task != tasks_.end() && reported > reported_max;) {
        Task& oldest = *(task++)->second;
        if (!oldest.reported) continue;
        close(oldest, TaskEnd::process_tree, oldest.quiet_since_ns);
        --reported;
    }
}

void TaskBook::tick(uint64_t now_ns) {
    commit_held(now_ns - std::min(now_ns, options_.grace_ns));
    if (quiet_check_ns_ == 0 || now_ns < quiet_check_ns_) return;
    look_for_quiet(now_ns);
    const bool waiting = std::any_of(tasks_.begin(), tasks_.end(), [](const auto& entry) {
        return !entry.second->reported && !entry.second->members.empty();
    });
    quiet_check_ns_ = waiting ? now_ns + quiet_check_interval_ns : 0;
}

bool TaskBook::will_report(uint64_t now_ns) const {
    if (quiet_check_ns_ == 0 || now_ns < quiet_check_ns_) return false;
    return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
        const Task& task = *entry.second;
        return !task.reported && task.quiet_since_ns != 0 &&
               now_ns >= task.quiet_since_ns + options_.quiet_ns;
    });
}

uint64_t TaskBook::due_ns() const {
    uint64_t due = quiet_check_ns_ == 0 ? never : quiet_check_ns_;
    if (!held_.empty()) due = std::min(due, held_.front().time_ns + options_.grace_ns);
    return due;
}

void TaskBook::finish(uint64_t now_ns) {
    commit_held(never);
    while (!tasks_.empty()) close(*tasks_.begin()->second, TaskEnd::container, now_ns);
}

}  // namespace spoor
