// One task that is open, or just being reported on: what is known of it, what it has accessed, and what
// of that it had not declared.
//
// Reads are judged as soon as inputs are declared, writes as soon as outputs are, each of them also for
// what was accessed before; an empty list declares that there are none. Patterns need to know
// the workspace: what comes before the task's start waits for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "signal/access_set.h"
#include "signal/attribution.h"
#include "signal/keyed_hash.h"
#include "signal/task_judge.h"
#include "signal/task_signal.h"

namespace spoor {

// Why a report was written.
enum class TaskEnd { signalled, process_tree, container };
[[nodiscard]] std::string_view name_of(TaskEnd end);

struct Violation {
    uint64_t time_ns;
    ProcessKey process;
    Op op;
    std::string path;
    bool write;
    bool refused = false;  // with EACCES: it has not happened
};

class Task {
public:
    // `memory_limit`: of its access set.
    Task(TaskNumber number, std::string id, TaskMode mode, size_t memory_limit, uint64_t opened_ns);

    const TaskNumber number;
    const std::shared_ptr<const std::string> id;
    const uint64_t opened_ns;

    // What signals and environments have said; the book's to fill.
    TaskContext context;
    TaskMode mode;
    std::string parent;
    std::string status;
    std::optional<int> code;
    std::string put_url;   // where its raw report is to go; a secret
    bool started = false;  // a start signal has come

    AccessSet accesses;
    std::vector<ProcessKey> members;   // who has ever worked for it; may hold some twice
    std::vector<ProcessKey> claimed;   // whom signals have named
    std::vector<ProcessKey> living;    // of the members; the book drops the ended ones now and then
    std::vector<std::string> reasons;  // why its report is not complete
    std::vector<std::string> warnings;

    uint64_t quiet_since_ns = 0;  // no member lives; 0: some does, or there never was one
    bool reported = false;        // a report stands there already, and nothing has come since
    // Strict mode: the first violation, and then all its processes are to be killed.
    std::optional<Violation> fatal;
    bool refuses = false;            // its table is with the kernel
    std::vector<Violation> refused;  // each once
    // The first of both; null: it has done nothing undeclared.
    [[nodiscard]] const Violation* failed_by() const {
        const Violation* first = refused.empty() ? nullptr : &refused.front();
        if (fatal && (first == nullptr || fatal->time_ns < first->time_ns)) first = &*fatal;
        return first;
    }

    // The workspace is known, or never will be: from now on there is a judge. Violations as declare().
    void settle_context(const JudgeMaker& make_judge, uint64_t time_ns, std::vector<Violation>& found);
    [[nodiscard]] bool settled() const { return settled_; }
    // Adds to the declaration. New violations among what was accessed before go to `found`.
    void declare(TaskDeclared more, uint64_t time_ns, std::vector<Violation>& found);
    // One access of a member, in order of time.
    void add(const AccessEvent& event, uint64_t time_ns, std::vector<Violation>& found);

    [[nodiscard]] TaskJudge* judge() const { return judge_.get(); }
    [[nodiscard]] bool judges_reads() const { return judge_ && inputs_declared_; }
    [[nodiscard]] bool judges_writes() const { return judge_ && outputs_declared_; }
    struct Counts {
        size_t inputs = 0, outputs = 0, dependencies_outputs = 0;
    };
    [[nodiscard]] const Counts& declared() const { return declared_; }
    [[nodiscard]] bool anything_declared() const { return inputs_declared_ || outputs_declared_; }
    [[nodiscard]] uint64_t violations() const { return violations_; }

    void warn(std::string text);

private:
    void judge_all(bool reads, bool writes, uint64_t time_ns, std::vector<Violation>& found);
    void found_undeclared(const AccessEvent& event, const std::string& path, bool write, uint64_t time_ns,
                          std::vector<Violation>& found);
    void hand_over(TaskDeclared more);

    std::unique_ptr<TaskJudge> judge_;
    bool settled_ = false;
    bool inputs_declared_ = false, outputs_declared_ = false;
    TaskDeclared waiting_;  // until the workspace is known
    Counts declared_;
    KeyedHash hash_;
    std::unordered_set<uint64_t> told_;  // violations, so that each is told once
    uint64_t violations_ = 0;
};

}  // namespace spoor
