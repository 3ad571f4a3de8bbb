// Sessions whose spoord is gone: adopted at the start, and waiting for their recorders to resume them.
// Those that nobody resumes in time are ended.
//
// Threads: one.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <vector>

#include "bpf/tracer.h"
#include "shim/broker/desk.h"

namespace spoor::broker {

class Orphans {
public:
    using Time = std::chrono::steady_clock::time_point;

    // All that `tracer` has adopted; they wait until `deadline`. `tracer` and `desk`
    // outlive this.
    Orphans(bpf::Tracer& tracer, Desk& desk, Time deadline);

    // The session, no orphan any more, if the token is its and so is the uid.
    std::optional<bpf::Tracer::Adopted> claim(uid_t uid, const std::array<uint64_t, 2>& token);
    // Ends the session of this cgroup if it is the uid's. False: there is none. For a recorder that was
    // never told that its request was granted, and for one that replaces another.
    bool supersede(uid_t uid, uint64_t cgroup_id);
    // Ends those that have waited long enough.
    void collect(Time now);
    // When collect() has something to do; nullopt: never.
    [[nodiscard]] std::optional<Time> due() const;

private:
    void end(const bpf::Tracer::Adopted& session, const char* why);

    bpf::Tracer& tracer_;
    Desk& desk_;
    Time adopted_;
    std::vector<bpf::Tracer::Adopted> waiting_;
    Time deadline_;
};

}  // namespace spoor::broker
