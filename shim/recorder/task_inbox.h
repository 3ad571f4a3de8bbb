// agent/: the directory through which the agent tells about its tasks. Watched by inotify; each file is
// read once, handed over, and then removed, which is the acknowledgement that its writer may wait for.
//
// The directory is the container's: anybody may have put anything there, in any number. Only regular
// files are opened (what a name stands for is looked at before), no link is followed, nothing is waited
// for, and a turn takes a limited number of files. What cannot be taken is a warning of one
// line, and is removed as well where that is possible.
//
// Files come in the order in which they were moved there or closed by their writers; those that
// are found by looking (at the start, at the end, and when the kernel's queue has overflowed) by the
// time of their last change. Names that begin with '.' or do not end in ".json" are left alone.
#pragma once

#include <sys/types.h>

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
    // `agent` is duplicated. `inotify`: a descriptor to use, without watches; one is made if it is none. What
    // is there already is found by the first take().
    static Result<TaskInbox> open(int agent, UniqueFd inotify = UniqueFd());

    // Readable when there is something to take.
    [[nodiscard]] int fd() const { return inotify_.get(); }

    struct Handlers {
        std::function<void(TaskSignal)> signal;
        std::function<void(std::string)> warn;
    };
    // Takes at most `most` files. True: there is more.
    bool take(size_t most, const Handlers& handlers);
    // Takes what is there now and was there when it was called, whether told of or not.
    void take_all(const Handlers& handlers);

private:
    TaskInbox(UniqueFd agent, UniqueFd inotify) : agent_(std::move(agent)), inotify_(std::move(inotify)) {}

    // False: none were there.
    bool read_events(const Handlers& handlers);
    void look(const Handlers& handlers);
    void take_file(const std::string& name, const Handlers& handlers);
    Result<TaskSignal> read_signal(const std::string& name, bool& is_directory);
    void remove(const std::string& name, bool is_directory, const Handlers& handlers);

    UniqueFd agent_;
    UniqueFd inotify_;
    bool look_ = true;  // at the whole directory, when the names are used up
    std::deque<std::string> names_;
    std::set<std::pair<dev_t, ino_t>> stuck_;  // taken and could not be removed
};

}  // namespace spoor
