// Who is told what a trail has found, besides the volume: the recorder's delivery. Called from within Trail,
// on its thread, and expected to be quick: nothing here may wait for a network.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "signal/session.h"
#include "signal/task.h"

namespace spoor {

class TrailListener {
public:
    TrailListener() = default;
    TrailListener(const TrailListener&) = delete;
    TrailListener& operator=(const TrailListener&) = delete;
    virtual ~TrailListener() = default;

    // A line of violations.jsonl. `pattern` would declare the path. Times as the trail's events have them.
    virtual void on_violation(const Task& task, const Violation& violation, const std::string& pattern) = 0;
    // The report of a task stands in `tasks` (a descriptor of trace/tasks) under `file`. A task that goes on
    // after its processes have ended is reported again. An error becomes a warning of the session.
    virtual Status on_task_report(const Task& task, TaskEnd end, uint64_t end_ns, bool complete, int tasks,
                                  const std::string& file) = 0;
    // The trail is over; the container's report stands in `tasks` under `file`, unless `tasks` is -1.
    virtual Status on_end(const Session& session, int tasks, const std::string& file) = 0;

    // As Trail's own: when tick() is wanted (CLOCK_BOOTTIME; UINT64_MAX: not at all).
    [[nodiscard]] virtual uint64_t due_ns() const { return UINT64_MAX; }
    virtual Status tick(uint64_t /*now_ns*/) { return {}; }
};

}  // namespace spoor
