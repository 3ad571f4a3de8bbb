// One try to deliver one item: the requests that it takes, and what their answers mean.
//
//   2xx                     delivered
//   307, 308                sent again there, if it is the same scheme, host and port; at most three times
//   408, 425, 429, 5xx      later; Retry-After is kept
//   no answer, no HTTP      later
//   everything else         never: the item is given up
//
// OTLP asks clients not to repeat what was answered with a 500. We do: the record is lost otherwise, and each
// has a unique id (log.record.uid) by which a repeated one is known.
#pragma once

#include <cstdint>
#include <string>

#include "shim/deliver/http.h"
#include "shim/ipc/delivery_settings.h"
#include "shim/ipc/spool.h"

namespace spoor {

struct Outcome {
    enum class Kind { delivered, later, never } kind = Kind::later;
    std::string reason;           // without secrets; for delivered: what is to be told all the same, or empty
    uint64_t retry_after_ms = 0;  // that the server asked for
};

// The token is read from its file with each call.
Outcome try_to_deliver(const Spool::Opened& opened, const DeliverySettings& settings, Http& http);

// What fails together: items of one destination share their pauses.
[[nodiscard]] std::string destination_of(const SpoolItem& item);

// For people: "the report of task web:build".
[[nodiscard]] std::string describe(const SpoolItem& item);

}  // namespace spoor
