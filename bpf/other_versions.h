// Sessions that a spoord of another version has left, which are seen to their end: their maps, their rings
// and the programs that fill these stay as they are until the last of them is released. Of those maps only
// what state.h marks as LASTING is read or written.
//
// A session is told from one of this version's by its number, which has the place of its version among the
// others in its first byte.
//
// Threads: one, but for links().
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "bpf/adoption.h"
#include "bpf/pins.h"
#include "bpf/tracer.h"

namespace spoor::bpf {

// One set of pins. Sessions by their numbers, with or without the first byte.
class OtherVersion {
public:
    // Opens the maps of a complete set. EPROTO: one of them is not what it has to be.
    static Result<OtherVersion> open(Pins pins);

    // Puts in order what is there; the sessions that are whole.
    Result<std::vector<Tracer::Adopted>> take_inventory();
    [[nodiscard]] bool traces(const ScopeRoot& root) const;
    [[nodiscard]] Result<UniqueFd> ring(const Tracer::Adopted& session) const;
    Result<UniqueFd> grow(uint64_t session, uint32_t ring_bytes);
    [[nodiscard]] Result<spoor_counters> counters(uint64_t session) const;
    [[nodiscard]] Result<spoor_counters> stop(uint64_t session) const;
    // Waits for a grace period.
    void release(uint64_t session);

    [[nodiscard]] bool empty() const { return ring_sizes_.empty(); }
    [[nodiscard]] const Pins& pins() const { return pins_; }

private:
    explicit OtherVersion(Pins pins) : pins_(std::move(pins)) {}

    Pins pins_;
    std::vector<UniqueFd> fds_;
    SessionMaps maps_;
    std::map<uint64_t, uint32_t> ring_sizes_;  // of each session
};

class OtherVersions {
public:
    // Of all directories beside `pins` that no spoord uses; adds their sessions to `adopted`. One that is no
    // complete set, or has no session, is removed; one that cannot be understood is left alone, with a
    // message.
    void adopt(const Pins& pins, std::vector<Tracer::Adopted>& adopted);
    // Null: the session is one of this version.
    OtherVersion* of(uint64_t session);
    // Whether one of them has the cgroup in its scope.
    [[nodiscard]] bool trace(const ScopeRoot& root) const;
    // A session that was stopped. With the last one its version's pins are removed.
    void release(uint64_t session);
    // Their programs that are attached. From any thread.
    [[nodiscard]] size_t links() const { return links_; }

private:
    void count_links();

    std::vector<std::unique_ptr<OtherVersion>> versions_;  // null: it has ended
    std::atomic<size_t> links_{0};
};

}  // namespace spoor::bpf
