// The audit log: one JSON object a line, spoor.audit/1 (signal/schema/audit.schema.json; docs/audit.md
// tells it to people). A thread writes; whoever has something to tell never waits for it.
//
// What does not fit into the queue (a stalled pipe, a hanging disk), and what cannot be written (a
// full disk), is counted, and the log itself tells how much is missing as soon as it can be written
// again.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bpf/abi.h"

namespace spoor::broker {

struct AuditOptions {
    std::string file;                  // absolute, "stderr", "journal" or "journal:SOCKET"
    uint64_t rotate = 64 << 20;        // bytes; 0: never. Regular files only
    uint32_t keep = 4;                 // FILE.1, the newest, to FILE.keep; 0: what is full is removed
    size_t queue_bytes_max = 1 << 20;  // what waits to be written
    bool start = true;                 // the thread at once; else by start()
};

// One thing that happened. What is not set is left out of the line.
struct AuditEvent {
    const char* event = "";         // "start", "stop", "request", "end", "reload"
    const char* request = nullptr;  // "arm", …, for "request"
    std::optional<bool> granted;
    const char* code = nullptr;   // of a refusal: the protocol's, by name
    const char* limit = nullptr;  // of code "quota": which one
    std::string_view reason;
    std::optional<uint32_t> uid, gid, pid;      // of the peer, as the host numbers them
    std::string_view tenant;                    // the rule that applied
    std::optional<std::string_view> container;  // bytes of the tenant's choice
    uint64_t cgroup_id = 0;
    std::string_view cgroup;
    std::optional<uint64_t> session;
    uint32_t ring_bytes = 0;
    const char* mode = nullptr;     // that the session says it runs in
    std::optional<double> seconds;  // that the session lasted
    const spoor_counters* counters = nullptr;
};

// The line for an event, newline included. Pure ASCII: nothing that a tenant named reaches a terminal
// or another line. Names that are no UTF-8 keep their bytes in a key of their own, "containerBytes"
// or "cgroupBytes", in base64, as in the volume's files.
std::string audit_line(const AuditEvent& event, std::chrono::system_clock::time_point time);

class Audit {
public:
    // Opens the destination (made with mode 0640; a link is refused) and starts the thread.
    static Result<std::unique_ptr<Audit>> open(AuditOptions options);
    // Starts the thread, which has the capabilities of the caller.
    void start();
    // Writes what waits, as long as the destination takes it; at most a second.
    ~Audit();
    Audit(const Audit&) = delete;
    Audit& operator=(const Audit&) = delete;

    void tell(const AuditEvent& event);
    // Opens the file by its name anew before the next line: logrotate has moved it away.
    void reopen();
    // Lines that were not written so far.
    [[nodiscard]] uint64_t lost() const;

private:
    struct State;
    explicit Audit(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace spoor::broker
