// From the ring's records (bpf/abi.h) to events (signal/event.h).
//
// The kernel side wrote the records, so they should be well formed; nothing here relies on it.
// Whatever is not understood is counted, never guessed at: a session with an anomaly is not
// complete (cause `consumer`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bpf/abi.h"
#include "signal/event.h"

namespace spoor {

// Takes events in the order in which the ring had them.
class EventSink {
public:
    virtual ~EventSink() = default;
    virtual void on(const ForkEvent& event, uint64_t time_ns) = 0;
    virtual void on(const ExecEvent& event, uint64_t time_ns) = 0;
    virtual void on(const ExitEvent& event, uint64_t time_ns) = 0;
    virtual void on(const AccessEvent& event, uint64_t time_ns) = 0;
    // Nothing can follow: the session's cgroup is gone.
    virtual void on_end(uint64_t time_ns) = 0;
};

struct DecodeAnomalies {
    uint64_t malformed = 0;   // sizes or content that contradict abi.h; dropped
    uint64_t unknown = 0;     // a type, operation or part of another version; dropped
    uint64_t incomplete = 0;  // an event whose second path is missing; passed on without it
    uint64_t orphans = 0;     // parts whose event did not come; dropped

    [[nodiscard]] uint64_t total() const { return malformed + unknown + incomplete + orphans; }
};

// Joins a record's two path parts to one path: `name` counts from `base`, alone if it is absolute.
// Empty and "." components and a trailing slash go away. ".." stays: behind a symbolic link it does
// not lead back. Nothing resolvable (base and name empty) gives an empty path.
std::string join_path(std::string_view base, std::string_view name);

// "inet:1.2.3.4:80", "inet:[::1]:80", "unix:/path", "unix:@abstract"; another family is "family:N".
// `base`: what a relative unix path counts from. Empty if the bytes are no socket address.
std::string describe_sockaddr(std::string_view base, std::string_view raw);

class Decoder {
public:
    explicit Decoder(EventSink& sink) : sink_(sink) {}

    // One record as the ring gave it.
    void decode(std::span<const std::byte> record);
    // No record follows: parts that still wait have lost their event.
    void finish();

    [[nodiscard]] const DecodeAnomalies& anomalies() const { return anomalies_; }

private:
    // A SPOOR_EV_AUX record, kept until its event comes.
    struct Part {
        uint8_t kind;
        uint16_t flags;
        std::string base;
        std::string name;
    };
    using Parts = std::vector<Part>;

    struct PartsKey {
        uint64_t time_ns;
        uint32_t host_tid;
        bool operator==(const PartsKey&) const = default;
    };
    struct PartsHash {
        size_t operator()(const PartsKey& key) const {
            return std::hash<uint64_t>()(key.time_ns ^ uint64_t{key.host_tid} << 40);
        }
    };

    void keep_part(const spoor_event& head, std::string_view base, std::string_view name);
    Parts take_parts(const PartsKey& key);
    void drop_oldest_parts();
    void decode_exec(const spoor_event& head, std::string_view base, std::string_view name, Parts parts);
    void decode_access(const spoor_event& head, std::string_view base, std::string_view name, Parts parts);

    EventSink& sink_;
    DecodeAnomalies anomalies_;
    std::unordered_map<PartsKey, Parts, PartsHash> pending_;
    std::deque<PartsKey> pending_order_;  // oldest first; may name keys that are gone
    size_t pending_bytes_ = 0;
};

}  // namespace spoor
