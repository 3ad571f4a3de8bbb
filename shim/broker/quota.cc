#include "shim/broker/quota.h"

#include <algorithm>
#include <utility>

namespace spoor::broker {
namespace {

using std::chrono::seconds;

// Peers that have gone are remembered for their rate, and forgotten when there are so many.
constexpr size_t peers_most = 4096;

Overrun overrun(Limit limit, const TenantRule& rule, const Tenant& tenant, const std::string& has,
                const std::string& of) {
    return {limit,
            "tenant " + rule.name + " (uid " + std::to_string(tenant.uid) + ") has " + has + " of " + of};
}

}  // namespace

const char* to_string(Limit limit) {
    switch (limit) {
        case Limit::connections:
            return "connections";
        case Limit::requests:
            return "requests";
        case Limit::containers:
            return "containers";
        case Limit::ring_bytes:
            return "ring_bytes";
        case Limit::ring_bytes_each:
            return "ring_bytes_each";
        case Limit::dedupe_entries:
            return "dedupe_entries";
    }
    return "";
}

Ledger::Seat::Seat(Seat&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)), uid_(other.uid_) {}

Ledger::Seat::~Seat() {
    if (ledger_ != nullptr) --ledger_->peers_[uid_].connections;
}

Ledger::Holding::Holding(Holding&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)), id_(other.id_) {}

Ledger::Holding& Ledger::Holding::operator=(Holding&& other) noexcept {
    std::swap(ledger_, other.ledger_);
    std::swap(id_, other.id_);
    return *this;
}

Ledger::Holding::~Holding() {
    if (ledger_ != nullptr) ledger_->release(id_);
}

Ledger::Account Ledger::account_of(const TenantRule& rule, const Tenant& tenant) {
    const bool together = rule.account.value == AccountOf::together;
    return {rule.name, together ? 0 : tenant.uid, together};
}

void Ledger::add(const Held& held) {
    Use& use = accounts_[held.account];
    ++use.containers;
    use.ring_bytes += held.ring_bytes + held.window_bytes;
    use.dedupe_entries += held.dedupe_entries;
}

void Ledger::subtract(const Held& held) {
    const auto found = accounts_.find(held.account);
    found->second.ring_bytes -= held.ring_bytes + held.window_bytes;
    found->second.dedupe_entries -= held.dedupe_entries;
    if (--found->second.containers == 0) accounts_.erase(found);
}

void Ledger::release(uint64_t id) {
    const auto found = held_.find(id);
    subtract(found->second);
    held_.erase(found);
}

void Ledger::forget_idle_peers(Clock::time_point now) {
    std::erase_if(peers_, [now](const auto& entry) {
        return entry.second.connections == 0 && now - entry.second.filled > seconds(1);
    });
}

Granted<Ledger::Seat> Ledger::connect(const Tenant& tenant) {
    const TenantRule& rule = rule_for(tenant);
    Peer& peer = peers_[tenant.uid];
    if (peer.connections >= rule.connections.value)
        return overrun(Limit::connections, rule, tenant, std::to_string(peer.connections),
                       std::to_string(rule.connections.value) + " connections");
    ++peer.connections;
    return Seat(this, tenant.uid);
}

// A token bucket that holds two seconds' worth.
Ledger::Peer& Ledger::refill(const TenantRule& rule, const Tenant& tenant, Clock::time_point now) {
    const double rate = rule.requests.value, most = 2 * rate;
    if (peers_.size() >= peers_most && !peers_.contains(tenant.uid)) forget_idle_peers(now);
    Peer& peer = peers_[tenant.uid];
    if (peer.filled == Clock::time_point{}) {
        peer.tokens = most;
    } else {
        const double elapsed = std::chrono::duration<double>(now - peer.filled).count();
        peer.tokens = std::min(most, peer.tokens + elapsed * rate);
    }
    peer.filled = now;
    return peer;
}

bool Ledger::has_request(const Tenant& tenant, Clock::time_point now) {
    const TenantRule& rule = rule_for(tenant);
    return rule.requests.value == 0 || refill(rule, tenant, now).tokens >= 1;
}

Granted<void> Ledger::request(const Tenant& tenant, Clock::time_point now) {
    const TenantRule& rule = rule_for(tenant);
    Peer& peer = refill(rule, tenant, now);
    if (peer.tokens >= 1) {
        peer.tokens -= 1;
        return {};
    }
    Overrun over = overrun(Limit::requests, rule, tenant, "used all",
                           "its " + std::to_string(rule.requests.value) + " requests a second");
    over.again = peer.refused != Clock::time_point{} && now - peer.refused < seconds(1);
    if (!over.again) peer.refused = now;
    return over;
}

Granted<Ledger::Holding> Ledger::hold(const Tenant& tenant, uint32_t ring_bytes) {
    const TenantRule& rule = rule_for(tenant);
    const Account account = account_of(rule, tenant);
    const auto found = accounts_.find(account);
    const Use use = found == accounts_.end() ? Use{} : found->second;
    if (ring_bytes > rule.ring_bytes_each.value)
        return overrun(Limit::ring_bytes_each, rule, tenant, "asked for " + std::to_string(ring_bytes),
                       std::to_string(rule.ring_bytes_each.value) + " bytes that a ring may have");
    if (use.containers >= rule.containers.value)
        return overrun(Limit::containers, rule, tenant, std::to_string(use.containers),
                       std::to_string(rule.containers.value) + " containers");
    if (use.ring_bytes + ring_bytes > rule.ring_bytes.value)
        return overrun(Limit::ring_bytes, rule, tenant, std::to_string(use.ring_bytes),
                       std::to_string(rule.ring_bytes.value) + " bytes of rings, and asked for " +
                           std::to_string(ring_bytes));
    const uint32_t entries = rule.dedupe_entries_each.value;
    if (use.dedupe_entries + entries > rule.dedupe_entries.value)
        return overrun(Limit::dedupe_entries, rule, tenant, std::to_string(use.dedupe_entries),
                       std::to_string(rule.dedupe_entries.value) + " dedupe entries, and a container takes " +
                           std::to_string(entries));
    return keep(tenant, ring_bytes, entries);
}

Ledger::Holding Ledger::keep(const Tenant& tenant, uint32_t ring_bytes, uint32_t dedupe_entries,
                             uint32_t window_bytes) {
    const uint64_t id = next_++;
    const Account account = account_of(rule_for(tenant), tenant);
    add(held_.emplace(id, Held{tenant, ring_bytes, dedupe_entries, account, window_bytes}).first->second);
    return Holding(this, id);
}

Granted<void> Ledger::Holding::grow(uint32_t ring_bytes) {
    Held& held = ledger_->held_.at(id_);
    const TenantRule& rule = ledger_->rule_for(held.tenant);
    Use& use = ledger_->accounts_.at(held.account);
    if (ring_bytes > rule.ring_bytes_each.value)
        return overrun(Limit::ring_bytes_each, rule, held.tenant, "asked for " + std::to_string(ring_bytes),
                       std::to_string(rule.ring_bytes_each.value) + " bytes that a ring may have");
    const uint64_t wanted = use.ring_bytes - held.ring_bytes + ring_bytes;
    if (wanted > use.ring_bytes && wanted > rule.ring_bytes.value)
        return overrun(Limit::ring_bytes, rule, held.tenant, std::to_string(use.ring_bytes),
                       std::to_string(rule.ring_bytes.value) + " bytes of rings, and asked for " +
                           std::to_string(ring_bytes - held.ring_bytes) + " more");
    use.ring_bytes = wanted;
    held.ring_bytes = ring_bytes;
    return {};
}

Granted<void> Ledger::Holding::add_window(uint32_t bytes) {
    Held& held = ledger_->held_.at(id_);
    const TenantRule& rule = ledger_->rule_for(held.tenant);
    Use& use = ledger_->accounts_.at(held.account);
    if (held.window_bytes >= bytes) return {};
    if (use.ring_bytes + bytes > rule.ring_bytes.value)
        return overrun(Limit::ring_bytes, rule, held.tenant, std::to_string(use.ring_bytes),
                       std::to_string(rule.ring_bytes.value) + " bytes of rings, and asked for a window of " +
                           std::to_string(bytes));
    use.ring_bytes += bytes;
    held.window_bytes += bytes;
    return {};
}

uint32_t Ledger::largest_ring(const Tenant& tenant) const { return rule_for(tenant).ring_bytes_each.value; }

uint32_t Ledger::dedupe_entries(const Tenant& tenant) const {
    return rule_for(tenant).dedupe_entries_each.value;
}

std::set<uint32_t> Ledger::dedupe_sizes() const {
    std::set<uint32_t> sizes;
    bool closed = false;
    for (const TenantRule& rule : rules_) {
        sizes.insert(rule.dedupe_entries_each.value);
        closed = closed || rule.for_everybody();
    }
    if (!closed) sizes.insert(TenantRule().dedupe_entries_each.value);
    return sizes;
}

void Ledger::replace(std::vector<TenantRule> rules) {
    rules_ = std::move(rules);
    accounts_.clear();
    for (auto& [id, held] : held_) {
        held.account = account_of(rule_for(held.tenant), held.tenant);
        add(held);
    }
}

}  // namespace spoor::broker
