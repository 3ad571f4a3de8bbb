// Holds a container while its ring is drained (`on_pressure: freeze`), by its cgroup's freezer:
// cgroup.freeze of cgroup v2, freezer.state of v1 (cgroups(7), cgroup-v1/freezer-subsystem).
//
// A container that somebody else has frozen is left alone. A recorder that dies while it holds one
// does not leave it frozen: a small process of its own, made with the first hold, waits for that.
// A `pause` that comes during a hold, which is milliseconds, ends with it: the kernel knows one state only.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/cgroup.h"

namespace spoor {

class Freezer {
public:
    explicit Freezer(ContainerFreezer file) : file_(std::move(file)) {}
    Freezer(Freezer&&) = default;
    // Thaws.
    ~Freezer();

    // Does nothing while held, or if the container is frozen already.
    Status hold();
    // Does nothing unless held.
    void release();
    [[nodiscard]] bool holds() const { return holds_; }

    // Holds so far, and how long they took in all.
    [[nodiscard]] unsigned count() const { return count_; }
    [[nodiscard]] std::chrono::milliseconds duration() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(duration_);
    }

private:
    Status start_guard();
    Status write(bool frozen) const;

    ContainerFreezer file_;
    UniqueFd guard_;  // our end: closed, by our death if need be, it thaws
    bool holds_ = false;
    unsigned count_ = 0;
    std::chrono::steady_clock::time_point since_;
    std::chrono::steady_clock::duration duration_{};
};

}  // namespace spoor
