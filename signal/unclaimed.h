// What processes of no task have accessed lately, for the signal that may yet claim one of them. Paths
// are kept as numbers of an AccessSet that has them anyway: 48 bytes an access.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "signal/access_log.h"
#include "signal/access_set.h"
#include "signal/event.h"

namespace spoor {

struct TimedAccess {
    AccessEvent event;
    uint64_t time_ns;
};

class Unclaimed {
public:
    // Keeps the last `most`. `paths` stays the caller's and must outlive this.
    Unclaimed(AccessSet& paths, size_t most) : paths_(paths), most_(most) {}

    void add(const AccessEvent& event, uint64_t time_ns);
    // Takes out what these processes did, in order.
    std::deque<TimedAccess> take(const std::vector<ProcessKey>& processes);
    // Something that this process did was dropped, as far as that is remembered (it is of the latest
    // tens of thousands of processes).
    [[nodiscard]] bool has_forgotten(ProcessKey process) const;

private:
    struct Entry {
        uint64_t time_ns;
        ProcessKey process;  // pid 0: taken
        uint32_t path, to;   // numbers of `paths_`; 0: none
        uint16_t flags, error;
        Op op;
    };
    AccessSet& paths_;
    size_t most_;
    std::deque<Entry> entries_;
    RecentSet forgotten_{32 * 1024};
};

}  // namespace spoor
