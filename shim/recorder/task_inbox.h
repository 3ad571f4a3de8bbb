// agent/: the directory through which the agent tells about its tasks. Watched by inotify, or looked at by
// the clock where the user has no inotify descriptor left; each file is read once, handed over, and then
// removed, which is the acknowledgement that its writer may wait for.
//
// The directory is the container's: anybody may have put anything there, in any number. Only regular
// files are opened (what a name stands for is looked at before), no link is followed, nothing is waited
// for, and a turn takes a limited number of files. What cannot be taken is a warning of one
// line, and is removed as well where that is possible.
//
// Files come in the order in which they were moved there or closed by their writers; those that
// are found by looking (at the start, at the end, by the clock, and when the kernel's queue has overflowed)
// by the time of their last change. By the clock nobody tells when a writer is done: what cannot be read is
// tried again for some seconds. Names that begin with '.' or do not end in ".json" are left alone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "signal/task_signal.h"

namespace spoor {

class TaskInbox {
public:
    static constexpr std::chrono::milliseconds look_interval{50};

    // `agent` is duplicated. `inotify`: a descriptor to use, without watches; one is made if it is none.
    // `writing_max`: for so long a file may be in place, by the clock, until it can be read. What is there
    // already is found by the first take().
    static Result<TaskInbox> open(int agent, UniqueFd inotify = UniqueFd(),
                                  std::chrono::milliseconds writing_max = std::chrono::seconds(5));

    // Readable when there is something to take, or it is time to look.
    [[nodiscard]] int fd() const { return events_.get(); }
    // Why it goes by the clock; empty if it does not.
    [[nodiscard]] const std::string& why_by_clock() const { return why_by_clock_; }

    struct Handlers {
        std::function<void(TaskSignal)> signal;
        std::function<void(std::string)> warn;
    };
    // Takes at most `most` files. True: there is more.
    bool take(size_t most, const Handlers& handlers);
    // Takes what is there now and was there when it was called, whether told of or not.
    void take_all(const Handlers& handlers);

private:
    // What a name stood for when it was read.
    struct Found {
        bool is_directory = false;
        bool is_fresh = false;  // changed just now
    };

    TaskInbox(UniqueFd agent, UniqueFd events, std::string why_by_clock,
              std::chrono::milliseconds writing_max)
        : agent_(std::move(agent)),
          events_(std::move(events)),
          why_by_clock_(std::move(why_by_clock)),
          writing_max_(writing_max) {}

    // False: none were there.
    bool read_events(const Handlers& handlers);
    void look(const Handlers& handlers);
    void take_file(const std::string& name, const Handlers& handlers);
    Result<TaskSignal> read_signal(const std::string& name, Found& found);
    void remove(const std::string& name, bool is_directory, const Handlers& handlers);

    UniqueFd agent_;
    UniqueFd events_;  // inotify, or a timer
    std::string why_by_clock_;
    std::chrono::milliseconds writing_max_;
    bool look_ = true;   // at the whole directory, when the names are used up
    bool last_ = false;  // nothing is tried again
    std::deque<std::string> names_;
    std::set<std::pair<dev_t, ino_t>> stuck_;  // taken and could not be removed
};

}  // namespace spoor
