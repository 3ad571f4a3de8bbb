// A volume: the directory through which a container's trail reaches its readers.
//
//   VOLUME/trace/   ours: session.json, processes.jsonl, accesses.jsonl, tasks/, violations.jsonl
//   VOLUME/agent/   the agent's: task signals
//
// The volume may belong to the tenant and hold anything: links, fifos, directories in the place of
// files. So everything is reached beneath directory descriptors, nothing is opened through a link,
// and files of ours are made anew (O_EXCL) or replaced by rename, never opened as found.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

inline constexpr const char* trace_directory = "trace";
inline constexpr const char* agent_directory = "agent";
inline constexpr const char* tasks_directory = "tasks";  // in trace/
inline constexpr const char* session_file = "session.json";
inline constexpr const char* session_reserve = ".session.json.reserve";  // see session.h
inline constexpr const char* processes_file = "processes.jsonl";
inline constexpr const char* accesses_file =
    "accesses.jsonl";  // rotated parts: accesses.jsonl.1 (oldest), .2, …
inline constexpr const char* violations_file = "violations.jsonl";

// An open volume with this process as its one writer. Owns its descriptors; move-only.
class Volume {
public:
    // Opens the volume at `path` (links in `path` itself are followed: the caller chose it) and
    // takes the writer's lock on trace/. trace/ (0755) and agent/ (01777) are made if missing; a
    // link or a file in their place is an error. EBUSY: another live session writes here.
    static Result<Volume> open(const std::string& path);

    // Removes what an earlier session left in trace/: session.json first, so that nobody takes the
    // old session for a complete one, then the logs and their rotated parts, tasks/, and temporaries.
    // Files that are not ours are left alone. Makes tasks/ anew.
    Status clear();

    [[nodiscard]] int trace() const { return trace_.get(); }
    [[nodiscard]] int agent() const { return agent_.get(); }
    // trace/tasks; -1 before clear().
    [[nodiscard]] int tasks() const { return tasks_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    explicit Volume(std::string path) : path_(std::move(path)) {}

    std::string path_;
    UniqueFd trace_;  // carries the lock: released when the last copy of this description closes
    UniqueFd agent_;
    UniqueFd tasks_;
};

}  // namespace spoor
