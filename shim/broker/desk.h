// Where spoord's decisions are kept: the ledger that they are made by, and the three places that are
// told of each, the log for people, the audit log and the metrics.
#pragma once

#include <sys/socket.h>

#include <map>
#include <string>
#include <utility>

#include "shim/broker/audit.h"
#include "shim/broker/metrics.h"
#include "shim/broker/quota.h"
#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {

[[nodiscard]] const char* name_of(Code code);
[[nodiscard]] const char* name_of(Request request);  // "invalid" for none of the protocol's

// Who asks, and for what, as far as it is known.
struct Subject {
    ucred peer{};
    Tenant tenant;
    std::string container;  // bytes of the peer's choice
    uint64_t cgroup_id = 0;
    uint64_t session = 0;  // 0: none (yet)
    uint32_t ring_bytes = 0;
    const char* mode = nullptr;  // that the session says it runs in
};

// What a session has counted since it had counted `before`.
[[nodiscard]] spoor_counters more_than(const spoor_counters& before, const spoor_counters& now);

class Desk {
public:
    // A session that runs, as `list` tells of it.
    struct Running {
        uint64_t session = 0;
        uid_t uid = 0;
        std::string container;
        uint32_t ring_bytes = 0;
    };
    // `audit` and `metrics` may be null; all three outlive this object.
    Desk(Ledger& ledger, Audit* audit, Metrics* metrics)
        : ledger_(ledger), audit_(audit), metrics_(metrics) {}

    [[nodiscard]] Ledger& ledger() { return ledger_; }
    // Whether running sessions are to be counted for somebody.
    [[nodiscard]] bool counts() const { return metrics_ != nullptr && metrics_->served(); }

    void asked(Request request);
    // `request`: nullptr for a connection.
    void refused(const Subject& subject, const char* request, Code code, const std::string& text);
    void refused(const Subject& subject, const char* request, const Overrun& overrun);
    void granted(const Subject& subject, std::chrono::nanoseconds took);
    void grown(const Subject& subject);
    void resumed(const Subject& subject);
    void ended(const Subject& subject, const char* why, std::chrono::nanoseconds lasted,
               const spoor_counters* counters);
    // The session with the next larger cgroup id than `after` that `who` may know of: one of its own, or
    // for root anybody's. Null: there is none. Numbers of sessions are not told: they count everybody's.
    [[nodiscard]] const std::pair<const uint64_t, Running>* next_running(uint64_t after, uid_t who) const;
    void connections(size_t open);
    // Somebody holds less than before.
    void accounts();
    void records(const spoor_counters& more);
    // spoord's own life: "start", "stop", "reload".
    void told(const char* event, bool good, const std::string& text);
    // The audit log's file may have been moved away.
    void reopen();
    // What has no moment of its own to be told at.
    void tick();

private:
    void refused(const Subject& subject, const char* request, const char* code, const char* limit,
                 const std::string& text, bool again);
    void runs(const Subject& subject);
    [[nodiscard]] AuditEvent about(const char* event, const Subject& subject) const;

    Ledger& ledger_;
    Audit* audit_;
    Metrics* metrics_;
    std::map<uint64_t, Running> running_;  // by cgroup id
};

}  // namespace spoor::broker
