#include "signal/syncer.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <csignal>
#include <iterator>
#include <system_error>
#include <utility>

namespace spoor {
namespace {

// There is no disk for it to reach, and starting a thread would be what the end of a short container waits
// for.
bool lies_in_memory(int file) {
    struct statfs system {};
    return ::fstatfs(file, &system) == 0 && (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
}

}  // namespace

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
    std::erase_if(files, [](const UniqueFd& file) { return lies_in_memory(file.get()); });
    if (files.empty()) return;
    std::unique_lock lock(mutex_);
    std::move(files.begin(), files.end(), std::back_inserter(asked_));
    if (asked_.size() > waiting_max) asked_.erase(asked_.begin(), asked_.end() - waiting_max);
    wake(std::move(lock));
}

void Syncer::replace(AtomicFile file) {
    if (lies_in_memory(file.fd())) return (void)file.commit();
    std::unique_lock lock(mutex_);
    replacement_.emplace(std::move(file));
    wake(std::move(lock));
}

void Syncer::stop_replacing() {
    std::unique_lock lock(mutex_);
    replacement_.reset();
    replaced_.wait(lock, [this] { return !replacing_; });
}

void Syncer::wake(std::unique_lock<std::mutex> lock) {
    if (!thread_.joinable() && !start()) {
        // Not so many processes are allowed. What is to be in its place is put there, whoever waits.
        asked_.clear();
        if (replacement_) (void)replacement_->commit();
        replacement_.reset();
        return;
    }
    lock.unlock();
    work_.notify_one();
}

bool Syncer::start() {
    sigset_t all, before;  // signals are for the caller's thread
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread_.joinable();
}

void Syncer::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        work_.wait(lock, [this] { return ending_ || !asked_.empty() || replacement_; });
        if (asked_.empty() && !replacement_) return;
        auto files = std::exchange(asked_, {});
        auto replacement = std::exchange(replacement_, std::nullopt);
        replacing_ = replacement.has_value();
        lock.unlock();
        if (replacement) (void)replacement->commit();
        lock.lock();
        replacing_ = false;
        replaced_.notify_one();
        lock.unlock();
        for (UniqueFd& file : files) {
            (void)::fdatasync(file.get());
            file.reset();
        }
        lock.lock();
    }
}

}  // namespace spoor
