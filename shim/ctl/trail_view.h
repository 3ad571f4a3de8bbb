// A trail as people look at it: which processes ran, what went in, what came out, what was looked
// for in vain. Read from the container's report when there is one, else added up from the log of
// accesses (a running container, a recorder that died).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "shim/ctl/volume_reader.h"
#include "signal/reader.h"
#include "signal/session.h"

namespace spoor::ctl {

struct ProcessRow {
    ProcessKey process;
    uint32_t parent_pid = 0;
    std::string command;  // argv joined by spaces, else the program
    std::string cwd;
    std::string exit;  // "0", "1", "SIGKILL", empty if it is not known
    std::string task;
};

struct PathRow {
    std::string path;  // bytes, absolute
    uint32_t pid = 0;  // the first process; 0: not known
};

struct TrailView {
    Session session;
    bool has_session = false;
    bool recorder_alive = false;
    std::vector<ProcessRow> processes;  // in order of their start
    std::vector<PathRow> inputs, outputs, absent;
    std::vector<std::string> notes;  // what could not be read, one line each
};

// Never fails as a whole: what cannot be read is a note.
TrailView view_trail(const VolumeReader& volume);

// Fills inputs, outputs and absent paths of `view` from a report's text. An error leaves it alone.
Status read_report(std::string_view json, TrailView& view);

// Calls `take` for each access until it returns false; returns the number of lines that are none.
Result<size_t> each_access(const VolumeReader& volume, const Session& session,
                           const std::function<bool(const AccessLine&)>& take);

}  // namespace spoor::ctl
