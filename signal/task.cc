#include "signal/task.h"

#include <algorithm>
#include <utility>

namespace spoor {
namespace {

constexpr size_t told_max = 20'000;
constexpr size_t task_warnings_max = 50;

void append(std::optional<std::vector<std::string>>& to, std::optional<std::vector<std::string>>&& more) {
    if (!more) return;
    if (!to || to->empty()) {
        to = std::move(more);
        return;
    }
    to->insert(to->end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
}

}  // namespace

std::string_view name_of(TaskEnd end) {
    switch (end) {
        case TaskEnd::signalled:
            return "signal";
        case TaskEnd::process_tree:
            return "process-tree";
        case TaskEnd::container:
            return "container";
    }
    return "container";
}

Task::Task(TaskNumber its_number, std::string its_id, TaskMode its_mode, size_t memory_limit,
           uint64_t time_ns)
    : number(its_number),
      id(std::make_shared<const std::string>(std::move(its_id))),
      opened_ns(time_ns),
      mode(its_mode),
      accesses(memory_limit) {
    context.task_id = *id;
}

void Task::warn(std::string text) {
    if (warnings.size() == task_warnings_max) warnings.emplace_back("further warnings are left out");
    if (warnings.size() > task_warnings_max) return;
    if (std::find(warnings.begin(), warnings.end(), text) == warnings.end())
        warnings.push_back(std::move(text));
}

void Task::settle_context(const JudgeMaker& make_judge, uint64_t time_ns, std::vector<Violation>& found) {
    if (std::exchange(settled_, true)) return;
    if (context.workspace_root.empty()) context.workspace_root = "/";
    if (!make_judge) return;
    MadeJudge made = make_judge(context);
    judge_ = std::move(made.judge);
    for (std::string& warning : made.warnings) warn(std::move(warning));
    if (!judge_) return;
    hand_over(std::exchange(waiting_, {}));
    judge_all(judges_reads(), judges_writes(), time_ns, found);
}

void Task::hand_over(TaskDeclared more) {
    for (std::string& warning : judge_->declare(more)) warn(std::move(warning));
}

void Task::declare(TaskDeclared more, uint64_t time_ns, std::vector<Violation>& found) {
    auto count = [](const auto& list) { return list ? list->size() : 0; };
    declared_.inputs += count(more.inputs);
    declared_.outputs += count(more.outputs);
    declared_.dependencies_outputs += count(more.dependencies_outputs);
    const bool reads = judges_reads(), writes = judges_writes();
    inputs_declared_ |= more.inputs.has_value() || more.dependencies_outputs.has_value();
    outputs_declared_ |= more.outputs.has_value();
    if (judge_) {
        hand_over(std::move(more));
    } else {
        append(waiting_.inputs, std::move(more.inputs));
        append(waiting_.outputs, std::move(more.outputs));
        append(waiting_.dependencies_outputs, std::move(more.dependencies_outputs));
    }
    judge_all(judges_reads() && !reads, judges_writes() && !writes, time_ns, found);
}

void Task::judge_all(bool reads, bool writes, uint64_t time_ns, std::vector<Violation>& found) {
    AccessEvent event;
    event.process.start_ns = 0;
    if (reads) {
        event.op = Op::read;
        accesses.for_each(AccessSet::List::inputs, [&](const AccessSet::Entry& entry) {
            if (judge_->read(entry.path) != Verdict::undeclared) return;
            event.process.pid = entry.pid;
            found_undeclared(event, std::string(entry.path), false, time_ns, found);
        });
    }
    if (writes) {
        event.op = Op::write;
        accesses.for_each(AccessSet::List::files_written, [&](const AccessSet::Entry& entry) {
            if (judge_->write(entry.path) != Verdict::undeclared) return;
            event.process.pid = entry.pid;
            found_undeclared(event, std::string(entry.path), true, time_ns, found);
        });
    }
}

void Task::found_undeclared(const AccessEvent& event, const std::string& path, bool write, uint64_t time_ns,
                            std::vector<Violation>& found) {
    if (told_.size() >= told_max || !told_.insert(hash_(write ? 1 : 0, path)).second) return;
    if (told_.size() == told_max)
        warn("violations.jsonl has the first " + std::to_string(told_max) + " only; the rest stands here");
    ++violations_;
    const bool in_place = (event.flags & flag_refused) != 0;
    found.push_back({time_ns, event.process, event.op, path, write, in_place});
}

void Task::add(const AccessEvent& event, uint64_t time_ns, std::vector<Violation>& found) {
    reported = false;
    if ((event.flags & flag_refused) != 0) {
        const bool write = event.op != Op::read && event.op != Op::exec;
        if (judge_) found_undeclared(event, event.path, write, time_ns, found);
        return;
    }
    AccessSet::Effect effect = accesses.add(event);
    if (effect.input && judges_reads() && judge_->read(event.path) == Verdict::undeclared)
        found_undeclared(event, event.path, false, time_ns, found);
    if (effect.output && judges_writes()) {
        const std::string& path = event.op == Op::rename || event.op == Op::link ? event.to : event.path;
        if (judge_->write(path) == Verdict::undeclared) found_undeclared(event, path, true, time_ns, found);
    }
}

}  // namespace spoor
