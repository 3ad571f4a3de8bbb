// What each tenant holds of spoord, held against the operator's rules.
//
// Connections and requests count for each uid of SO_PEERCRED; containers and rings for the account
// that the rule names: (rule, uid), or the rule alone. When rules are replaced, everything held is
// sorted into accounts anew: nobody loses a session, and nobody begins again from nothing.
//
// Threads: one. Seats and holdings give back what they stand for when they are destroyed, and must
// not outlive the Ledger.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "config/tenants.h"

namespace spoor::broker {

// Why something was refused: the label in metrics, the word in the audit log.
enum class Limit { connections, requests, containers, ring_bytes, ring_bytes_each, dedupe_entries };
[[nodiscard]] const char* to_string(Limit limit);

struct Overrun {
    Limit limit;
    std::string text;    // one line: who has how much of what
    bool again = false;  // requests: the last one was refused as well, less than a second ago
};

template <class T>
class [[nodiscard]] Granted : public tl::expected<T, Overrun> {
public:
    using tl::expected<T, Overrun>::expected;
    Granted(Overrun overrun) : tl::expected<T, Overrun>(tl::unexpect, std::move(overrun)) {}
};

class Ledger {
public:
    using Clock = std::chrono::steady_clock;

    struct Account {
        std::string tenant;  // the rule's name
        uint32_t uid = 0;    // 0 with AccountOf::together
        bool together = false;
        bool operator<(const Account& other) const {
            return std::tie(tenant, uid, together) < std::tie(other.tenant, other.uid, other.together);
        }
    };
    struct Use {
        uint32_t containers = 0;
        uint64_t ring_bytes = 0;
        uint64_t dedupe_entries = 0;
    };

    explicit Ledger(std::vector<TenantRule> rules) : rules_(std::move(rules)) {}
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    // One connection.
    class Seat {
    public:
        Seat(Seat&& other) noexcept;
        Seat& operator=(Seat&&) = delete;
        ~Seat();

    private:
        friend class Ledger;
        Seat(Ledger* ledger, uint32_t uid) : ledger_(ledger), uid_(uid) {}
        Ledger* ledger_;
        uint32_t uid_;
    };
    // One container and its ring.
    class Holding {
    public:
        Holding(Holding&& other) noexcept;
        Holding& operator=(Holding&& other) noexcept;
        ~Holding();
        // The ring has `ring_bytes` from now on.
        Granted<void> grow(uint32_t ring_bytes);
        // A window of `bytes` beside the ring, in the place of the one that there may be; counted as the
        // tenant's bytes of rings.
        Granted<void> add_window(uint32_t bytes);

    private:
        friend class Ledger;
        Holding(Ledger* ledger, uint64_t id) : ledger_(ledger), id_(id) {}
        Ledger* ledger_;
        uint64_t id_;
    };

    Granted<Seat> connect(const Tenant& tenant);
    // One message, or one connection. Over the limit it costs nothing to ask again, and is refused.
    Granted<void> request(const Tenant& tenant, Clock::time_point now = Clock::now());
    // Whether request() would take one now. Also true where a rule allows none at all: waiting is no use.
    [[nodiscard]] bool has_request(const Tenant& tenant, Clock::time_point now = Clock::now());
    // A container with a ring of `ring_bytes` and a table of dedupe_entries(). The tenant's cgroup is known
    // here.
    Granted<Holding> hold(const Tenant& tenant, uint32_t ring_bytes);

    // As hold(), for a container that was granted before, by a spoord that is gone: never refused.
    Holding keep(const Tenant& tenant, uint32_t ring_bytes, uint32_t dedupe_entries,
                 uint32_t window_bytes = 0);

    // The largest ring that the tenant may have.
    [[nodiscard]] uint32_t largest_ring(const Tenant& tenant) const;
    // The size of the table that each of the tenant's containers gets.
    [[nodiscard]] uint32_t dedupe_entries(const Tenant& tenant) const;
    // All sizes that dedupe_entries() may have, under the rules of now.
    [[nodiscard]] std::set<uint32_t> dedupe_sizes() const;
    [[nodiscard]] const TenantRule& rule_for(const Tenant& tenant) const {
        return policy_for(rules_, tenant);
    }

    void replace(std::vector<TenantRule> rules);
    // Every account that holds something.
    [[nodiscard]] const std::map<Account, Use>& in_use() const { return accounts_; }
    [[nodiscard]] const std::vector<TenantRule>& rules() const { return rules_; }

private:
    struct Peer {
        uint32_t connections = 0;
        double tokens = 0;
        Clock::time_point filled{};
        Clock::time_point refused{};
    };
    struct Held {
        Tenant tenant;
        uint32_t ring_bytes = 0;
        uint32_t dedupe_entries = 0;
        Account account;
        uint32_t window_bytes = 0;
    };

    Peer& refill(const TenantRule& rule, const Tenant& tenant, Clock::time_point now);
    [[nodiscard]] static Account account_of(const TenantRule& rule, const Tenant& tenant);
    void add(const Held& held);
    void subtract(const Held& held);
    void release(uint64_t id);
    void forget_idle_peers(Clock::time_point now);

    std::vector<TenantRule> rules_;
    std::map<uint32_t, Peer> peers_;
    std::map<uint64_t, Held> held_;
    std::map<Account, Use> accounts_;
    uint64_t next_ = 1;
};

}  // namespace spoor::broker
