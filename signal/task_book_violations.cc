// What comes of undeclared accesses: lines, and in strict mode kills, or tables by which the kernel refuses
// them.
#include <utility>

#include "signal/json_text.h"
#include "signal/names.h"
#include "signal/task_book.h"

namespace spoor {

void TaskBook::tell(Task& task, std::vector<Violation>& found) {
    if (task.mode == TaskMode::off) found.clear();
    for (const Violation& violation : found) {
        if (violations_.bytes() < options_.violations_bytes_max) {
            JsonObject line(violations_.buffer());
            line.text("time", clock_.rfc3339(violation.time_ns));
            line.text("taskId", *task.id);
            line.number("pid", violation.process.pid);
            line.text("op", name_of(violation.op));
            line.name("path", violation.path);
            line.text("kind", violation.write ? "write" : "read");
            line.text("mode", name_of(task.mode));
            const std::string pattern = task.judge()->pattern_for(violation.path);
            line.text("suggestion", pattern);
            if (violation.refused) line.boolean("refused", true);
            line.close();
            violations_.buffer() += '\n';
            violations_.end_line();
            ++violation_lines_;
            if (options_.listener) options_.listener->on_violation(task, violation, pattern);
        } else if (!std::exchange(violations_full_told_, true)) {
            warn_("violations.jsonl is full: further undeclared accesses stand in the tasks' reports only");
        }
        if (violation.refused)
            task.refused.push_back(violation);
        else if (task.mode == TaskMode::strict && !task.fatal)
            fail(task, violation);
    }
    found.clear();
}

void TaskBook::fail(Task& task, const Violation& violation) {
    task.fatal = violation;
    for (ProcessKey process : task.living)
        if (attribution_.alive(process)) kills_.push_back({process, attribution_.host_pid(process)});
}

// Without declared outputs nobody knows what the task has written itself, so nothing is refused.
void TaskBook::publish(Task& task) {
    if (task.mode == TaskMode::strict && task.judges_writes()) wants_refusals_ = true;
    if (!refusing_ || task.mode != TaskMode::strict || !task.judges_writes()) return;
    auto table = task.judge()->refusals(task.judges_reads(), true);
    if (!table) {
        task.warn("undeclared accesses are not refused but kill: " + table.error().message);
        if (std::exchange(task.refuses, false)) refusals_.push_back({task.number, {}});
        return;
    }
    refusals_.push_back({task.number, std::move(*table)});
    published_ = true;
    if (std::exchange(task.refuses, true)) return;
    for (ProcessKey process : task.living) to_assign_.push_back({process, attribution_.host_pid(process)});
}

void TaskBook::refuse_in_place() {
    refusing_ = true;
    for (auto& [number, task] : tasks_) publish(*task);
}

std::vector<TaskBook::Assignment> TaskBook::take_assignments() {
    std::vector<Assignment> taken;
    for (const HostProcess& process : std::exchange(to_assign_, {})) {
        if (process.host_pid == 0 || !attribution_.alive(process.process)) continue;
        // Who works for several is judged afterwards.
        const auto tasks = attribution_.tasks(process.process);
        const Task* task = tasks.size() == 1 ? numbered(tasks.front()) : nullptr;
        taken.push_back({process, task != nullptr && task->refuses ? task->number : 0});
    }
    return taken;
}

}  // namespace spoor
