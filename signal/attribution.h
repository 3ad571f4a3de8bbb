// Which task does a process work for? The tree of all process instances of the session, living and
// for a while ended, and in it what the environment at exec and the agent's signals have said.
//
// The rules, in the order of their weight:
//  1. a signal named the process: the tasks that have claimed it and are open; of two where one is
//     nested in the other (`parent`) only the inner. Whatever else was known of it counts no more
//  2. its environment at exec named a task, and not the one that it had from its parent: a process
//     that was given to another task starts helpers with the old values in their environment
//  3. else what its parent at fork works for, also when that parent has long ended
// A claim reaches down the tree to all that have their task by rule 3. A task that ends gives its
// processes back to what the rules say without it.
//
// What a change means for accesses is the caller's: each call returns the processes that now work
// for other tasks: living ones, and ended ones that had never worked for any.
//
// Ended processes are remembered up to a number; the children of one that is forgotten are then
// its parent's. Memory: about 150 bytes a process.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "signal/event.h"

namespace spoor {

// Numbers a task for the life of a session; 0 is none.
using TaskNumber = uint32_t;

class Attribution {
public:
    // `is_within(inner, outer)`: is the task `inner` nested in `outer`, at whatever depth?
    using Within = std::function<bool(TaskNumber inner, TaskNumber outer)>;
    explicit Attribution(Within is_within, size_t ended_max = 16 * 1024)
        : is_within_(std::move(is_within)), ended_max_(ended_max) {}

    struct Change {
        ProcessKey process;
        uint32_t host_pid;  // 0: not known
        bool alive;
        bool had_none;                   // worked for no task just before
        std::vector<TaskNumber> before;  // what it worked for
    };
    using Changes = std::vector<Change>;

    // `host_pid` 0: not known.
    void on_fork(ProcessKey child, ProcessKey parent, uint32_t host_pid);
    // An exec, or anything else that shows that the process is there. `parent_pid` is used if no
    // fork of it was seen.
    void seen(ProcessKey process, uint32_t parent_pid = 0, uint32_t host_pid = 0);
    // Its environment at exec names a task. `name` stands for the task's id, 0 for none: a task that has
    // ended and one that is begun again under the same id are not told apart by it, so that what is
    // left of the old one does not begin it again. To be called if environment() is another name.
    Changes on_environment(ProcessKey process, uint64_t name, TaskNumber task);
    // The name at its last exec, or its parent's.
    [[nodiscard]] uint64_t environment(ProcessKey process) const;
    void on_exit(ProcessKey process, uint64_t time_ns);

    // A signal gives the process to a task.
    Changes claim(TaskNumber task, ProcessKey process);
    // The task has ended. `members`: who has ever worked for it or been claimed for it.
    Changes release(TaskNumber task, std::span<const ProcessKey> members);

    // In ascending order; empty for a process of no task, or one that is not known. Valid until the
    // next change.
    [[nodiscard]] std::span<const TaskNumber> tasks(ProcessKey process) const;
    [[nodiscard]] bool alive(ProcessKey process) const;
    [[nodiscard]] uint32_t host_pid(ProcessKey process) const;
    // The instance that a number means now: the living one, else the last that had it, if it ended at
    // `ended_since_ns` or later.
    [[nodiscard]] std::optional<ProcessKey> find(uint32_t pid, uint64_t ended_since_ns) const;
    // Living processes with a known host pid.
    void for_each_living(const std::function<void(ProcessKey, uint32_t host_pid)>& take) const;
    [[nodiscard]] size_t size() const { return index_.size(); }

private:
    using Id = uint32_t;  // index of a node; 0: none
    struct Node {
        ProcessKey key;
        uint64_t ended_ns = 0;
        Id parent = 0, first_child = 0, next = 0, previous = 0;
        uint32_t host_pid = 0;
        bool alive = true;
        bool own = false;  // has its tasks by rule 1 or 2
        bool used = false;
        bool has_worked = false;         // for any task, ever
        uint64_t environment = 0;        // what its environment names
        TaskNumber own_environment = 0;  // rule 2: the same, if it counts
        std::vector<TaskNumber> claims;  // rule 1
        std::vector<TaskNumber> tasks;   // the outcome
    };
    struct KeyHash {
        size_t operator()(const ProcessKey& key) const {
            return static_cast<size_t>((key.start_ns ^ key.pid) * 0x9e3779b97f4a7c15u >> 7);
        }
    };

    [[nodiscard]] Id find(ProcessKey key) const;
    Id add(ProcessKey key, Id parent);
    void link(Id node, Id parent);
    void unlink(Id node);
    void forget_oldest();
    [[nodiscard]] std::vector<TaskNumber> outcome(const Node& node) const;
    // Brings `node` and those that inherit from it in line with the rules.
    void settle(Id node, Changes& changes);
    static Change change_of(const Node& node);

    Within is_within_;
    size_t ended_max_;
    std::vector<Node> nodes_{1};
    std::vector<Id> free_;
    std::unordered_map<ProcessKey, Id, KeyHash> index_;
    std::unordered_map<uint32_t, Id> newest_;  // by pid
    std::deque<Id> ended_;                     // oldest first
};

}  // namespace spoor
