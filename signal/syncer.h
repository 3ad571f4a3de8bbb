// Has what was written reach the disk, so that a machine that is taken away leaves it behind: on a thread
// of its own, since a sync may take as long as the disk likes.
//
// Threads: the functions are for one. Failures are nobody's: the write itself has told of a bad disk, and
// a file system that cannot sync has nothing to lose. Where it lies in memory (tmpfs) there is nothing to
// wait for, and no thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/atomic_file.h"
#include "base/unique_fd.h"

namespace spoor {

class Syncer {
public:
    static constexpr size_t waiting_max = 64;

    Syncer() = default;
    Syncer(const Syncer&) = delete;
    Syncer& operator=(const Syncer&) = delete;
    // Waits for what is under way and asked for.
    ~Syncer();

    // fdatasync(2) for each, soon; they are closed then. Of more than waiting_max the oldest are closed
    // without: a disk that does not keep up must not use up the descriptors.
    void sync(std::vector<UniqueFd> files);

    // commit(), soon. A file that still waits for that is dropped for its successor. Its directory's
    // descriptor has to stay until stop_replacing().
    void replace(AtomicFile file);
    // None is put in its place from here on: for who writes that file himself.
    void stop_replacing();

private:
    void wake(std::unique_lock<std::mutex> lock);
    bool start();
    void run();

    std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable replaced_;
    std::vector<UniqueFd> asked_;
    std::optional<AtomicFile> replacement_;
    bool replacing_ = false;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace spoor
