#include "signal/syncer.h"

#include <csignal>
#include <iterator>
#include <utility>

namespace spoor {

Syncer::~Syncer() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    work_.notify_one();
    thread_.join();
}

void Syncer::sync(std::vector<UniqueFd> files) {
    if (files.empty()) return;
    {
        const std::lock_guard lock(mutex_);
        std::move(files.begin(), files.end(), std::back_inserter(asked_));
    }
    if (thread_.joinable()) return work_.notify_one();
    sigset_t all, before;  // signals are for the caller's thread
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Syncer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        work_.wait(lock, [this] { return ending_ || !asked_.empty(); });
        if (asked_.empty()) return;
        const auto files = std::exchange(asked_, {});
        lock.unlock();
        for (const UniqueFd& file : files) (void)::fdatasync(file.get());
        lock.lock();
    }
}

}  // namespace spoor
