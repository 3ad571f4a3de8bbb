// Processes that outlive spoor: nobody's children, with none of the caller's descriptors. A pipe
// of conmon's or buildah's held open by one of them would hang its reader.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

struct DetachedProgram {
    std::string program;                   // absolute
    std::vector<std::string> arguments;    // without argv[0]
    std::vector<std::string> environment;  // NAME=value
    std::vector<int> descriptors;          // become 3, 4, …; stay the caller's
};

// A started process. It may not yet have reached its program.
class Detached {
public:
    explicit Detached(UniqueFd status) : status_(std::move(status)) {}

    // Waits for execve (microseconds, unless the file system hangs: `deadline_ms`). Its error is
    // the program's; on success the new process's pid.
    Result<int> confirm(int deadline_ms);

private:
    UniqueFd status_;
};

// In the new process: a session of its own, "/" as directory, /dev/null on 0 to 2, all signals at
// their defaults and unblocked, umask 022.
Result<Detached> start_detached(const DetachedProgram& program);
// The same with a function in the place of a program, in a copy of this process. `descriptors`
// become 3, 4, … there. The process ends when it returns.
Status start_detached(const std::vector<int>& descriptors, const std::function<void()>& work);

}  // namespace spoor
