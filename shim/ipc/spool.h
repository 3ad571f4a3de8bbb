// The spool: a directory of the user's own, outside every volume, in which things wait to be delivered.
// Recorders put into it, one spoor-deliver takes out.
//
//   queue/NAME    an item: a line of JSON (SpoolItem), then the payload, byte for byte
//   failed/NAME   a line of JSON (SpoolFailure): an item that was given up; the payload is gone
//   settings.json DeliverySettings, the newest
//   status.json   SpoolStatus, what spoor-deliver last met with
//   lock          flock(2)-ed by the spoor-deliver at work
//
// NAME is the time it was put there (20 digits, nanoseconds of 1970), '-' and 16 hexadecimal digits: in order
// of names they are in order of time. An item is written under a temporary name, synced and renamed, so that
// it is there as a whole or not at all; what a crash leaves is removed after an hour. Items never
// change. The directory is 0700 and must be the caller's; files are 0600: an item may hold a signed URL.
//
// Threads: one per object. Several processes may use one spool; an item that disappears under a reader
// is ENOENT.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/ipc/delivery_settings.h"

namespace spoor {

enum class DeliveryKind {
    report,  // POST to the endpoint
    raw,     // PUT to a pre-signed URL: the item's, else one that is minted
    logs,    // an OTLP/HTTP request with log records
};
[[nodiscard]] std::string_view name_of(DeliveryKind kind);

struct SpoolItem {
    DeliveryKind kind = DeliveryKind::report;
    std::string key;      // the Idempotency-Key
    std::string session;  // of the recorder, random
    std::string container_id;
    std::string task_id;  // may be empty for logs
    std::string url;      // raw: a signed URL; a secret. Empty: one has to be minted
    uint64_t payload_bytes = 0;
};
std::string to_json(const SpoolItem& item);
Result<SpoolItem> parse_spool_item(std::string_view json);

struct SpoolFailure {
    std::string time;  // RFC 3339
    std::string kind, key, container_id, task_id;
    std::string reason;  // without secrets
};
std::string to_json(const SpoolFailure& failure);
Result<SpoolFailure> parse_spool_failure(std::string_view json);

struct SpoolStatus {
    uint64_t delivered = 0;  // by the spoor-deliver that wrote this
    std::string error_time;  // empty: no error
    std::string error;       // the last one, without secrets
};
std::string to_json(const SpoolStatus& status);
Result<SpoolStatus> parse_spool_status(std::string_view json);

class Spool {
public:
    struct Limits {
        uint64_t bytes_max = 256u * 1024 * 1024;
        uint64_t max_age_ms = 72ull * 3600 * 1000;
    };
    struct Entry {
        std::string name;
        uint64_t bytes = 0;       // of the file
        uint64_t created_ms = 0;  // since 1970
    };
    // An item open for reading, its descriptor at the payload's first byte.
    struct Opened {
        SpoolItem item;
        UniqueFd fd;
        uint64_t payload_at = 0;  // offset in the file
    };

    // Opens the spool, made if it is missing. EPERM: it is another user's or open to others.
    static Result<Spool> open(const std::string& path);
    // The same for one that must exist.
    static Result<Spool> open_existing(const std::string& path);

    // Puts an item, its payload given or read from `payload_fd` to its end (payload_bytes is set by what was
    // read). For room the oldest items go first, with a failure record each. EFBIG: larger than all the
    // spool may hold.
    Status put(SpoolItem item, std::string_view payload, const Limits& limits);
    Status put(SpoolItem item, int payload_fd, const Limits& limits);

    // What waits, oldest first; names that are none of ours are passed over.
    [[nodiscard]] Result<std::vector<Entry>> queue() const;
    // EBADMSG: it is not what put() wrote (a crash of the machine).
    [[nodiscard]] Result<Opened> take(const std::string& name) const;
    // Delivered.
    Status remove(const std::string& name);
    // Given up: leaves a failure record in its place. `item`: null if it cannot be read.
    Status give_up(const std::string& name, const SpoolItem* item, const std::string& reason);
    // Gives up what is too old, and the oldest while all together is too much by `more` bytes; forgets old
    // failures (more than failures_max, or older than max_age) and removes what crashes have left. Returns
    // how many items were given up.
    size_t trim(const Limits& limits, uint64_t more = 0);

    [[nodiscard]] std::vector<SpoolFailure> failures() const;  // oldest first

    [[nodiscard]] Result<DeliverySettings> settings() const;
    // Writes them if they differ from what is there, or if `anyway`: whoever delivers then tries all at once.
    Status set_settings(const DeliverySettings& settings, bool anyway = false);
    [[nodiscard]] SpoolStatus status() const;
    Status set_status(const SpoolStatus& status);

    // The lock of whoever delivers, held until the descriptor is closed; EBUSY: somebody else has it.
    [[nodiscard]] Result<UniqueFd> lock() const;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] int directory() const { return root_.get(); }
    [[nodiscard]] int queue_directory() const { return queue_.get(); }

    static constexpr size_t failures_max = 1000;

private:
    Spool(std::string path, UniqueFd root, UniqueFd queue, UniqueFd failed)
        : path_(std::move(path)),
          root_(std::move(root)),
          queue_(std::move(queue)),
          failed_(std::move(failed)) {}
    static Result<Spool> open_at_path(const std::string& path);
    Status make_room(uint64_t bytes, const Limits& limits);

    std::string path_;
    UniqueFd root_, queue_, failed_;
    uint64_t known_bytes_ = 0;  // what was there when it was counted last, and what was put since
    unsigned puts_ = 0;
};

}  // namespace spoor
