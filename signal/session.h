// trace/session.json, schema "spoor.session/1": what a reader needs to know about a session as a
// whole, above all whether its trail is complete. Model, writer and reader.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/result.h"
#include "signal/secret_names.h"

namespace spoor {

inline constexpr const char* session_schema = "spoor.session/1";

enum class SessionState {
    tracing,   // running
    finished,  // ended in order; complete or not, see Session::complete
    untraced,  // the container ran or runs without tracing: reasons say why
    degraded,  // tracing ended or broke before the container did
};
[[nodiscard]] std::string_view name_of(SessionState state);

// What the kernel side and the consumer counted. Plain numbers of records.
struct SessionCounters {
    uint64_t events = 0;    // put into the rings by the kernel
    uint64_t received = 0;  // taken out by the recorder
};

// Lost records by cause; the sum is `lost`.
struct SessionLoss {
    uint64_t ring_full = 0;
    uint64_t scratch = 0;
    uint64_t process_table = 0;
    uint64_t fault = 0;
    uint64_t scopes = 0;
    uint64_t consumer = 0;  // emitted but never received, or received and not understood

    [[nodiscard]] uint64_t total() const {
        return ring_full + scratch + process_table + fault + scopes + consumer;
    }
};

// All text is shown as given, secrets apart: `annotations` are redacted by the writer (redact.h), with
// `secrets` in addition to the built-in rules; these are not written.
struct Session {
    std::string container_id;
    std::string image;
    std::map<std::string, std::string> annotations;
    SecretRules secrets;

    SessionState state = SessionState::tracing;
    std::string family = "none";  // lsm | fentry | syscall-exit | none
    uint64_t exact_ops = 0;       // bit n: enum Op n is exact (broker_protocol.h gives the same bits)
    uint64_t lexical_ops = 0;     // bit n: lexical; neither: none
    uint32_t ring_bytes = 0;

    std::string started;   // RFC 3339; Trail sets both
    std::string finished;  // empty while tracing

    SessionCounters counters;
    SessionLoss loss;
    uint64_t processes = 0;  // process instances; Trail keeps it
    uint64_t accesses =
        0;  // lines of accesses.jsonl, or what would be with the log switched off; Trail keeps it

    // What writing the trail has cost this process; 0 while tracing. For sizing nodes.
    uint64_t recorder_cpu_ms = 0;
    uint64_t recorder_peak_rss_kib = 0;

    std::vector<std::string> reasons;   // why the trail is not complete; one line each
    std::vector<std::string> warnings;  // what a reader should know and does not make it incomplete

    bool processes_written = false;           // processes.jsonl exists
    std::vector<std::string> accesses_files;  // parts of accesses.jsonl in order of time; empty: not written

    // The one rule: finished, nothing lost, no reason against it.
    [[nodiscard]] bool complete() const {
        return state == SessionState::finished && loss.total() == 0 && reasons.empty();
    }
};

// One JSON object, readable, with a newline at its end. Never fails: bytes that are not UTF-8
// become U+FFFD here (no path stands in this file).
[[nodiscard]] std::string to_json(const Session& session);
// For readers. Unknown keys are ignored; a wrong schema, type or no JSON is an error.
Result<Session> parse_session(std::string_view json);

// Replaces session.json in the directory `trace`, whatever is in its place (link, fifo, file).
// Mode 0644.
Status write_session(int trace, const Session& session);
// The same, but not yet in its place.
Result<AtomicFile> make_session_file(int trace, const Session& session);
// Space set aside in `trace`, so that the last session.json can be written on a full disk too: made when a
// session begins, given up before that file is written for the last time. It is a file of its own, which
// the next session's clearing removes.
Status reserve_session_space(int trace);
void release_session_space(int trace);
// Reads session.json beneath `trace`, following no link, at most 16 MiB.
Result<Session> read_session(int trace);

// For programs that have no recorder at hand (the shim, the hooks).
//
// Says in the volume at `volume_path` that this container is not traced. Takes the volume's lock
// and clears it first; EBUSY if a live session writes there.
Status write_untraced_session(const std::string& volume_path, const std::string& container_id,
                              const std::string& image, const std::string& reason);
// For a recorder that died: turns a session of this container in state `tracing` into `degraded`
// with `reason`, leaving the logs as they are. A session of another container, or one in another
// state, is left alone; then ENOENT or EALREADY.
Status mark_session_degraded(const std::string& volume_path, const std::string& container_id,
                             const std::string& reason);

}  // namespace spoor
