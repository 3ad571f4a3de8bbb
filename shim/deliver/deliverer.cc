#include "shim/deliver/deliverer.h"

#include <algorithm>

#include "base/clock.h"
#include "shim/deliver/backoff.h"

namespace spoor {
namespace {

constexpr uint64_t retry_after_max_ms = 3'600'000;

}  // namespace

Deliverer::Deliverer(Spool& spool, Http& http, Log log, Clock clock, Chance chance)
    : spool_(spool),
      http_(http),
      log_(std::move(log)),
      clock_(std::move(clock)),
      chance_(std::move(chance)),
      status_(spool.status()) {
    status_.delivered = 0;
}

void Deliverer::start_afresh() {
    items_.clear();
    destinations_.clear();
}

void Deliverer::tell(const std::string& text) {
    log_.warn(text);
    status_.error = text;
    status_.error_time = WallClock().rfc3339(boot_time_ns());
    status_changed_ = true;
}

void Deliverer::pause(Pause& pause, const DeliverySettings& settings, uint64_t retry_after_ms) {
    ++pause.failures;
    const uint64_t backoff =
        backoff_ms(pause.failures, settings.retry_min_ms, settings.retry_max_ms, chance_());
    pause.until_ms = clock_() + std::max(backoff, std::min(retry_after_ms, retry_after_max_ms));
}

void Deliverer::attempt(const Spool::Entry& entry, const DeliverySettings& settings, Known& known) {
    auto opened = spool_.take(entry.name);
    if (!opened) {
        if (opened.error().code == ENOENT) return;
        tell(opened.error().message);
        if (opened.error().code != EBADMSG) return pause(known.pause, settings, 0);
        if (auto given_up = spool_.give_up(entry.name, nullptr, opened.error().message); !given_up)
            pause(known.pause, settings, 0);
        return;
    }
    const Outcome outcome = try_to_deliver(*opened, settings, http_);
    const std::string what = describe(opened->item);
    Pause& destination = destinations_[destination_of(opened->item)];
    if (outcome.kind == Outcome::Kind::later) {
        tell(what + " will be tried again: " + outcome.reason);
        pause(destination, settings, outcome.retry_after_ms);
        pause(known.pause, settings, outcome.retry_after_ms);
        return;
    }
    destination = {};
    Status gone;
    if (outcome.kind == Outcome::Kind::delivered) {
        ++status_.delivered;
        status_changed_ = true;
        log_.info("delivered " + what);
        if (!outcome.reason.empty()) tell(what + ": " + outcome.reason);
        gone = spool_.remove(entry.name);
    } else {
        tell(what + " is given up: " + outcome.reason);
        gone = spool_.give_up(entry.name, &opened->item, outcome.reason);
    }
    // Sent again and again if it cannot be removed, with the same key, but at least not at once.
    if (!gone) {
        tell(gone.error().message);
        pause(known.pause, settings, retry_after_max_ms);
    }
}

Result<std::optional<uint64_t>> Deliverer::pass(bool all) {
    auto settings = spool_.settings();
    if (!settings) return std::move(settings).error().context("the spool's settings");
    if (const size_t count = spool_.trim({settings->spool_bytes_max, settings->max_age_ms}); count > 0)
        tell(std::to_string(count) + " items were given up: too old, or the spool was full");
    auto queue = spool_.queue();
    if (!queue) return std::move(queue).error();
    for (auto& [name, known] : items_) known.seen = false;
    // What has failed least comes first, or an item that its server chokes on would be the one that is tried
    // whenever the server's pause is over.
    std::stable_sort(queue->begin(), queue->end(), [this](const Spool::Entry& a, const Spool::Entry& b) {
        return items_[a.name].pause.failures < items_[b.name].pause.failures;
    });
    for (const Spool::Entry& entry : *queue) {
        Known& known = items_[entry.name];
        known.seen = true;
        if (known.destination.empty()) {
            auto opened = spool_.take(entry.name);
            known.destination = opened ? destination_of(opened->item) : "damaged";
        }
        const uint64_t until = std::max(known.pause.until_ms, destinations_[known.destination].until_ms);
        if (all || until <= clock_()) attempt(entry, *settings, known);
    }
    std::erase_if(items_, [](const auto& item) { return !item.second.seen; });
    auto left = spool_.queue();
    if (!left) return std::move(left).error();
    if (status_changed_) {
        status_changed_ = false;
        static_cast<void>(spool_.set_status(status_));
    }
    if (left->empty()) return std::optional<uint64_t>();
    uint64_t due = UINT64_MAX;
    for (const Spool::Entry& entry : *left) {
        const auto known = items_.find(entry.name);
        if (known == items_.end()) return std::optional<uint64_t>(clock_());  // came meanwhile
        due = std::min(
            due, std::max(known->second.pause.until_ms, destinations_[known->second.destination].until_ms));
    }
    return std::optional<uint64_t>(due);
}

}  // namespace spoor
