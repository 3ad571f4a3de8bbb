// Drains a spool: which item is tried when, and what becomes of it.
//
// Each item has pauses of its own, and each destination has, so that neither a dead server is asked again for
// each of a thousand items nor one item that a server chokes on holds up the others. The pauses live in
// memory: after a restart all begins with a first try. Retry-After is kept up to an hour.
//
// Threads: one. Times are milliseconds of one clock that does not jump.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "shim/deliver/delivery.h"
#include "shim/ipc/log.h"

namespace spoor {

class Deliverer {
public:
    using Clock = std::function<uint64_t()>;
    using Chance = std::function<double()>;  // evenly from 0 to 1

    // `spool` and `http` stay the caller's.
    Deliverer(Spool& spool, Http& http, Log log, Clock clock, Chance chance);

    // Tries what is due, `all` what there is. Returns when the next is due; nothing: the spool is empty.
    // An error: the spool cannot be read.
    Result<std::optional<uint64_t>> pass(bool all = false);
    // All pauses end: somebody has changed the settings.
    void start_afresh();

    [[nodiscard]] uint64_t delivered() const { return status_.delivered; }

private:
    struct Pause {
        unsigned failures = 0;
        uint64_t until_ms = 0;
    };
    struct Known {
        std::string destination;
        Pause pause;
        bool seen = false;
    };

    void attempt(const Spool::Entry& entry, const DeliverySettings& settings, Known& known);
    void pause(Pause& pause, const DeliverySettings& settings, uint64_t retry_after_ms);
    void tell(const std::string& text);

    Spool& spool_;
    Http& http_;
    Log log_;
    Clock clock_;
    Chance chance_;
    std::map<std::string, Known> items_;
    std::map<std::string, Pause> destinations_;
    SpoolStatus status_;
    bool status_changed_ = false;
};

}  // namespace spoor
