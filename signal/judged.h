// What comes of holding a task's accesses against its declaration when it has ended, and what else it
// depended on: the parts of its report that are not lists of its AccessSet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "signal/task.h"

namespace spoor {

struct Judged {
    struct Unexpected {
        std::string path;
        uint32_t pid;
        bool gone = false;  // written and not there any more at the end
    };
    std::vector<Unexpected> reads, writes;
    std::vector<std::string> inputs_not_read, outputs_not_written;  // absolute
    uint64_t excluded_reads = 0, excluded_writes = 0;
    TaskSuggestions suggestions;
    // Why the outcome may depend on more than files: connections to the network and to servers
    // that are not the task's own. One line each.
    std::vector<std::string> not_hermetic;
};

// `container`: everybody's accesses, which tell who serves a socket.
Judged judge(Task& task, const AccessSet& container);

}  // namespace spoor
