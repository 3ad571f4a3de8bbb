// The trail of one session: takes events and the agent's signals in and leaves session.json,
// processes.jsonl, accesses.jsonl, violations.jsonl and the reports of the tasks and of the container in
// the volume. What the recorder drives.
//
// Threads: one, and one that only waits for the disk. Errors: after begin() nothing here fails or throws; a
// write that fails (full disk, removed directory) costs its lines, is counted, and becomes a reason in
// session.json. Events may come late, twice or not at all; times are CLOCK_BOOTTIME nanoseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "signal/event.h"
#include "signal/session.h"
#include "signal/syncer.h"
#include "signal/task_book.h"
#include "signal/volume.h"

namespace spoor {

struct TrailOptions {
    uint64_t rotate_bytes = 256u * 1024 * 1024;   // a part of accesses.jsonl; 0: never rotated
    bool write_accesses = true;                   // false: the report only
    size_t access_set_bytes = 46u * 1024 * 1024;  // memory for the report's path sets; beyond it the report
                                                  // says that it is cut
    // So long an ended process's line waits for a signal that names its task.
    uint64_t process_line_delay_ns = 0;
    TaskOptions tasks;
};

class Trail {
public:
    // Takes the volume over. `facts`: container, image, annotations, rules for secrets, family, coverage,
    // ring size and warnings so far; state, times and files are set here.
    Trail(Volume volume, Session facts, TrailOptions options = {});
    Trail(Trail&&) noexcept;
    ~Trail();

    // Clears the volume, makes the logs, writes session.json with `state: tracing`. To be called
    // once, before the user's first instruction. An error says that the volume cannot be used; the
    // trail then swallows events (finish still tries to write).
    Status begin();

    void on(const ForkEvent& event, uint64_t time_ns);
    // Also logs the accesses that an exec is: `exec` of the program (and of the script), `mmap-exec`
    // of the loader. If the kernel side reports these as accesses too, the repeat is dropped.
    void on(const ExecEvent& event, uint64_t time_ns);
    void on(const ExitEvent& event, uint64_t time_ns);
    void on(const AccessEvent& event, uint64_t time_ns);

    // A signal of the agent's. All events from before it must have been put in; `loss` is what the
    // kernel side had lost by then, for the report that an end brings.
    void on(TaskSignal signal, uint64_t time_ns, const SessionLoss& loss);
    // Does what time brings, at tasks_due_ns() (CLOCK_BOOTTIME; UINT64_MAX: nothing is due) or later.
    void tick(uint64_t now_ns, const SessionLoss& loss);
    // Whether that may bring a report, for which `loss` should be new.
    [[nodiscard]] bool will_report(uint64_t now_ns) const;
    [[nodiscard]] uint64_t tasks_due_ns() const;
    // As TaskBook has them.
    std::vector<TaskBook::HostProcess> take_renewals();
    std::vector<TaskBook::HostProcess> take_kills();
    [[nodiscard]] bool wants_refusals() const;
    void refuse_in_place();
    std::vector<TaskBook::Refusals> take_refusals();
    std::vector<TaskBook::Assignment> take_assignments();
    void assigned(uint64_t now_ns);

    // Writes buffered lines out and has them reach the disk (on a thread of its own). To be called when the
    // ring is empty and at least every second: an ended process gets its line here, when what came late about
    // it has arrived.
    void flush();
    // Another flush is wanted, even if nothing comes.
    [[nodiscard]] bool unflushed() const;

    // Remembered for session.json; the same text is kept once.
    void add_reason(std::string reason);            // makes the session incomplete
    void remove_reason(const std::string& reason);  // what has been made good
    void add_warning(std::string warning);          // bounded in number
    void set_ring_bytes(uint32_t bytes);            // the ring grew

    // Rewrites session.json with current numbers while tracing goes on; readers see it when it has reached
    // the disk. Not for every flush.
    Status checkpoint(const SessionCounters& counters, const SessionLoss& loss);

    // Reports of the tasks that are open, lines for processes still alive, the container's report
    // (trace/tasks/-.json), the final session.json. `state` is finished, or degraded if tracing ended before
    // the container. Returns the failure of the final session.json, if any. Once; later events are ignored.
    Status finish(const SessionCounters& counters, const SessionLoss& loss,
                  std::vector<std::string> reasons = {}, SessionState state = SessionState::finished);

    // After finish(): its end waits for the lines to reach the disk, for which nobody else has to wait, nor
    // the volume.
    [[nodiscard]] std::unique_ptr<Syncer> take_syncer();

    [[nodiscard]] const Session& session() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace spoor
