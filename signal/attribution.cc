#include "signal/attribution.h"

#include <algorithm>
#include <utility>

namespace spoor {

Attribution::Id Attribution::find(ProcessKey key) const {
    auto at = index_.find(key);
    return at == index_.end() ? 0 : at->second;
}

Attribution::Id Attribution::add(ProcessKey key, Id parent) {
    Id id;
    if (free_.empty()) {
        id = static_cast<Id>(nodes_.size());
        nodes_.emplace_back();
    } else {
        id = free_.back();
        free_.pop_back();
        nodes_[id] = {};
    }
    nodes_[id].key = key;
    nodes_[id].used = true;
    index_[key] = id;
    Id& newest = newest_[key.pid];
    if (newest == 0 || nodes_[newest].key.start_ns <= key.start_ns) newest = id;
    if (parent != 0) {
        link(id, parent);
        nodes_[id].tasks = nodes_[parent].tasks;
        nodes_[id].has_worked = !nodes_[id].tasks.empty();
        nodes_[id].environment = nodes_[parent].environment;
    }
    return id;
}

void Attribution::link(Id node, Id parent) {
    Node& child = nodes_[node];
    child.parent = parent;
    child.previous = 0;
    child.next = nodes_[parent].first_child;
    if (child.next != 0) nodes_[child.next].previous = node;
    nodes_[parent].first_child = node;
}

void Attribution::unlink(Id node) {
    Node& child = nodes_[node];
    if (child.previous != 0)
        nodes_[child.previous].next = child.next;
    else if (child.parent != 0)
        nodes_[child.parent].first_child = child.next;
    if (child.next != 0) nodes_[child.next].previous = child.previous;
    child.parent = child.next = child.previous = 0;
}

void Attribution::on_fork(ProcessKey child, ProcessKey parent, uint32_t host_pid) {
    Id known = find(child);
    Id from = find(parent);
    if (known == 0) known = add(child, from);
    if (host_pid != 0) nodes_[known].host_pid = host_pid;
}

void Attribution::seen(ProcessKey process, uint32_t parent_pid, uint32_t host_pid) {
    Id known = find(process);
    if (known == 0) {
        Id from = 0;
        if (auto parent = newest_.find(parent_pid); parent != newest_.end() && parent_pid != process.pid) {
            const Node& candidate = nodes_[parent->second];
            if (candidate.alive && candidate.key.start_ns <= process.start_ns) from = parent->second;
        }
        known = add(process, from);
    }
    if (host_pid != 0) nodes_[known].host_pid = host_pid;
}

std::vector<TaskNumber> Attribution::outcome(const Node& node) const {
    if (!node.claims.empty()) {
        std::vector<TaskNumber> inner;
        for (TaskNumber task : node.claims)
            if (std::none_of(node.claims.begin(), node.claims.end(), [&](TaskNumber other) {
                    return other != task && is_within_(other, task) && !is_within_(task, other);
                }))
                inner.push_back(task);
        return inner;
    }
    if (node.own_environment != 0) return {node.own_environment};
    return node.parent == 0 ? std::vector<TaskNumber>() : nodes_[node.parent].tasks;
}

Attribution::Change Attribution::change_of(const Node& node) {
    return {node.key, node.host_pid, node.alive, node.tasks.empty(), node.tasks};
}

void Attribution::settle(Id top, Changes& changes) {
    std::vector<Id> open{top};
    while (!open.empty()) {
        Id id = open.back();
        open.pop_back();
        Node& node = nodes_[id];
        std::vector<TaskNumber> tasks = outcome(node);
        // Then nothing changes for those either that inherit from it.
        if (tasks == node.tasks) continue;
        if (node.alive || !node.has_worked) changes.push_back(change_of(node));
        node.has_worked |= !tasks.empty();
        node.tasks = std::move(tasks);
        for (Id child = node.first_child; child != 0; child = nodes_[child].next)
            if (!nodes_[child].own) open.push_back(child);
    }
}

uint64_t Attribution::environment(ProcessKey process) const { return nodes_[find(process)].environment; }

Attribution::Changes Attribution::on_environment(ProcessKey process, uint64_t name, TaskNumber task) {
    Id id = find(process);
    if (id == 0) return {};
    Node& node = nodes_[id];
    if (std::exchange(node.environment, name) == name || task == 0) return {};
    node.own_environment = task;
    // A claim outlives the exec of another program, but not the start of a task that is nested.
    if (!node.claims.empty() &&
        std::none_of(node.claims.begin(), node.claims.end(), [&](TaskNumber claim) { return claim == task; }))
        node.claims.clear();
    node.own = true;
    std::vector<TaskNumber> tasks = outcome(node);
    if (tasks == node.tasks) return {};
    Changes changes{change_of(node)};
    // Children from before the exec have not got this environment.
    for (Id child = node.first_child; child != 0; child = nodes_[child].next) {
        Node& left = nodes_[child];
        if (left.own || left.tasks.empty()) continue;
        left.own = true;
        left.claims = left.tasks;
    }
    node.tasks = std::move(tasks);
    node.has_worked = true;
    for (Id child = nodes_[id].first_child; child != 0; child = nodes_[child].next)
        if (!nodes_[child].own) settle(child, changes);
    return changes;
}

void Attribution::on_exit(ProcessKey process, uint64_t time_ns) {
    Id id = find(process);
    if (id == 0 || !nodes_[id].alive) return;
    nodes_[id].alive = false;
    nodes_[id].ended_ns = time_ns;
    ended_.push_back(id);
    if (ended_.size() > ended_max_) forget_oldest();
}

void Attribution::forget_oldest() {
    Id id = ended_.front();
    ended_.pop_front();
    Id parent = nodes_[id].parent;
    while (nodes_[id].first_child != 0) {
        Id child = nodes_[id].first_child;
        unlink(child);
        if (parent != 0) link(child, parent);
        Node& left = nodes_[child];
        if (nodes_[id].own && !left.own) {
            left.own = true;
            left.claims = nodes_[id].claims;
            left.own_environment = nodes_[id].own_environment;
        }
    }
    unlink(id);
    const ProcessKey key = nodes_[id].key;
    index_.erase(key);
    if (auto newest = newest_.find(key.pid); newest != newest_.end() && newest->second == id)
        newest_.erase(newest);
    nodes_[id] = {};
    free_.push_back(id);
}

Attribution::Changes Attribution::claim(TaskNumber task, ProcessKey process) {
    Id id = find(process);
    if (id == 0) return {};
    Node& node = nodes_[id];
    if (std::find(node.claims.begin(), node.claims.end(), task) == node.claims.end())
        node.claims.insert(std::upper_bound(node.claims.begin(), node.claims.end(), task), task);
    node.own = true;
    Changes changes;
    settle(id, changes);
    return changes;
}

Attribution::Changes Attribution::release(TaskNumber task, std::span<const ProcessKey> members) {
    Changes changes;
    std::vector<Id> left;
    for (ProcessKey key : members) {
        Id id = find(key);
        if (id == 0) continue;
        Node& node = nodes_[id];
        std::erase(node.claims, task);
        if (node.own_environment == task) node.own_environment = 0;
        node.own = !node.claims.empty() || node.own_environment != 0;
        left.push_back(id);
    }
    // Parents before their children, so that what is inherited is settled first.
    std::sort(left.begin(), left.end(),
              [this](Id a, Id b) { return nodes_[a].key.start_ns < nodes_[b].key.start_ns; });
    for (Id id : left) settle(id, changes);
    return changes;
}

std::span<const TaskNumber> Attribution::tasks(ProcessKey process) const {
    Id id = find(process);
    if (id == 0) return {};
    return nodes_[id].tasks;
}

bool Attribution::alive(ProcessKey process) const {
    Id id = find(process);
    return id != 0 && nodes_[id].alive;
}

uint32_t Attribution::host_pid(ProcessKey process) const { return nodes_[find(process)].host_pid; }

std::optional<ProcessKey> Attribution::find(uint32_t pid, uint64_t ended_since_ns) const {
    auto newest = newest_.find(pid);
    if (newest == newest_.end()) return std::nullopt;
    const Node& node = nodes_[newest->second];
    if (!node.alive && node.ended_ns < ended_since_ns) return std::nullopt;
    return node.key;
}

void Attribution::for_each_living(const std::function<void(ProcessKey, uint32_t)>& take) const {
    for (const Node& node : nodes_)
        if (node.used && node.alive && node.host_pid != 0) take(node.key, node.host_pid);
}

}  // namespace spoor
