// Has what was written reach the disk, so that a machine that is taken away leaves it behind: on a thread
// of its own, since a sync may take as long as the disk likes.
//
// Threads: the functions are for one. Failures are nobody's: the write itself has told of a bad disk, and
// a file system that cannot sync has nothing to lose.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace spoor {

class Syncer {
public:
    Syncer() = default;
    Syncer(const Syncer&) = delete;
    Syncer& operator=(const Syncer&) = delete;
    // Waits for what is under way and asked for.
    ~Syncer();

    // fdatasync(2) for each, soon; they are closed then. The first call starts the thread. What lies in
    // memory (tmpfs) is closed at once.
    void sync(std::vector<UniqueFd> files);

private:
    void run();

    std::mutex mutex_;
    std::condition_variable work_;
    std::vector<UniqueFd> asked_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace spoor
