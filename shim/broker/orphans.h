// Sessions that wait for their recorders to resume them: those of a spoord that is gone, adopted at the
// start, and those whose recorders have hung up and live, as they do when this spoord was stopped, or got no
// processor, for longer than they wait for an answer. What nobody resumes in time is ended, and of the latter
// what belongs to a recorder that ends, at once.
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

    struct Orphan {
        bpf::Tracer::Adopted session;
        Subject subject;
        Time since{};  // it began, or was adopted
        Time deadline{};
        // Of one whose recorder has hung up:
        UniqueFd recorder;                       // pidfd
        std::optional<Ledger::Holding> holding;  // it counts for its tenant meanwhile
        spoor_counters counted{};                // as the desk knows them
        bool ended = false;                      // the desk was told: it was stopped
    };

    // All that `tracer` has adopted; they wait until `deadline`. `tracer` and `desk`
    // outlive this, and so does `epoll`, where recorders are watched.
    Orphans(bpf::Tracer& tracer, Desk& desk, Time deadline, int epoll);

    // One whose recorder has hung up.
    void add(Orphan orphan);
    // Whether `fd` is a recorder that is watched; then it may have ended.
    [[nodiscard]] bool owns(int fd) const;
    void serve(int fd);

    // The session, no orphan any more, if the token is its and so is the uid.
    std::optional<Orphan> claim(uid_t uid, const std::array<uint64_t, 2>& token);
    // Ends the session of this cgroup if it is the uid's. False: there is none. For a recorder that was
    // never told that its request was granted, and for one that replaces another.
    bool supersede(uid_t uid, uint64_t cgroup_id);
    // Ends those that have waited long enough.
    void collect(Time now);
    // When collect() has something to do; nullopt: never.
    [[nodiscard]] std::optional<Time> due() const;

private:
    void end(Orphan& orphan, const char* why);

    bpf::Tracer& tracer_;
    Desk& desk_;
    int epoll_;
    std::vector<Orphan> waiting_;
};

}  // namespace spoor::broker
