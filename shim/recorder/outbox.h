// What a session has to deliver, put into the spool as it comes to be: reports when they stand in the volume,
// log records in batches. Starts a spoor-deliver when none is at work. Never waits for a network; what cannot
// be spooled is an error for the session's warnings.
//
// Idempotency keys: <session>-<number>-<kind>, with a random session and reports numbered in their order, so
// that both ways of one report share the number. An item keeps its key however often it is sent.
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shim/ipc/delivery_settings.h"
#include "shim/ipc/spool.h"
#include "shim/recorder/otlp_log.h"
#include "signal/trail_listener.h"

namespace spoor {

class Outbox : public TrailListener {
public:
    // Null if nothing is to be delivered. The spool is opened when there is something to put into it.
    static std::shared_ptr<Outbox> make(const DeliverySettings& settings, const std::string& container_id,
                                        const std::string& image);
    // Tells the collector, if there is one, of a container that ran without being traced; that is all there
    // is.
    static Status tell_untraced(const DeliverySettings& settings, Session session, const std::string& reason);
    ~Outbox() override;

    void on_violation(const Task& task, const Violation& violation, const std::string& pattern) override;
    Status on_task_report(const Task& task, TaskEnd end, uint64_t end_ns, bool complete, int tasks,
                          const std::string& file) override;
    // Nothing is told of a container that never ran a program.
    Status on_end(const Session& session, int tasks, const std::string& file) override;
    [[nodiscard]] uint64_t due_ns() const override { return logs_due_ns_; }
    Status tick(uint64_t now_ns) override;

private:
    Outbox(const DeliverySettings& settings, const std::string& container_id, const std::string& image,
           const std::string& session);

    [[nodiscard]] bool logging() const { return !settings_.otlp_endpoint.empty(); }
    Status put_report(const std::string& task_id, const std::string& put_url, int tasks,
                      const std::string& file);
    void expect_logs();
    Status put_logs();
    Status open_spool();
    Status wake_deliverer();

    DeliverySettings settings_;
    std::string container_id_, session_;
    OtlpLog logs_;
    uint64_t logs_due_ns_ = UINT64_MAX;
    uint64_t reports_ = 0, batches_ = 0;
    std::optional<Spool> spool_;
    std::vector<pid_t> deliverers_;  // that we started and have not reaped
};

}  // namespace spoor
