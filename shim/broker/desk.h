// Where spoord's decisions are kept: the ledger that they are made by, and the three places that are
// told of each, the log for people, the audit log and the metrics.
#pragma once

#include <sys/socket.h>

#include <string>

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
};

class Desk {
public:
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
    void connections(size_t open);
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
    [[nodiscard]] AuditEvent about(const char* event, const Subject& subject) const;

    Ledger& ledger_;
    Audit* audit_;
    Metrics* metrics_;
};

}  // namespace spoor::broker
