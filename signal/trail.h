// The trail of one session: takes events in and leaves session.json, processes.jsonl,
// accesses.jsonl and the container's report in the volume. What the recorder drives.
//
// Threads: one. Errors: after begin() nothing here fails or throws; a write that fails (full disk,
// removed directory) costs its lines, is counted, and becomes a reason in session.json.
// Events may come late, twice or not at all; times are CLOCK_BOOTTIME nanoseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "signal/event.h"
#include "signal/session.h"
#include "signal/volume.h"

namespace spoor {

struct TrailOptions {
    uint64_t rotate_bytes = 256u * 1024 * 1024;   // a part of accesses.jsonl; 0: never rotated
    bool write_accesses = true;                   // false: the report only
    size_t access_set_bytes = 46u * 1024 * 1024;  // memory for the report's path sets; beyond it the report
                                                  // says that it is cut
};

class Trail {
public:
    // Takes the volume over. `facts`: container, image, annotations, family, coverage, ring size and
    // warnings so far; state, times and files are set here.
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

    // Writes buffered lines out. To be called when the ring is empty and at least every second: an
    // ended process gets its line here, when what came late about it has arrived.
    void flush();

    // Remembered for session.json; the same text is kept once.
    void add_reason(std::string reason);  // makes the session incomplete
    void add_warning(std::string warning);
    void set_ring_bytes(uint32_t bytes);  // the ring grew

    // Rewrites session.json with current numbers while tracing goes on. It syncs the file: not for
    // every flush.
    Status checkpoint(const SessionCounters& counters, const SessionLoss& loss);

    // Lines for processes still alive, the container's report (trace/tasks/-.json), the final
    // session.json. `state` is finished, or degraded if tracing ended before the container.
    // Returns the failure of the final session.json, if any. Once; later events are ignored.
    Status finish(const SessionCounters& counters, const SessionLoss& loss,
                  std::vector<std::string> reasons = {}, SessionState state = SessionState::finished);

    [[nodiscard]] const Session& session() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace spoor
