#include "shim/broker/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "shim/broker/metrics_server.h"

namespace spoor::broker {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Registry;

constexpr size_t accounts_shown = 256;

// Arming is to take a millisecond; a ring that is not at hand, some 15.
const prometheus::Histogram::BucketBoundaries arm_seconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                          0.01,   0.025,   0.05,   0.1,   0.5,    1};

prometheus::Family<Counter>& counters(Registry& registry, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<Gauge>& gauges(Registry& registry, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::State {
    // Above the families, which belong to it.
    Registry registry;
    prometheus::Family<Counter>& requests =
        counters(registry, "spoor_requests_total", "Messages of peers, by request.");
    prometheus::Family<Counter>& grants = counters(
        registry, "spoor_grants_total", "Containers that were granted tracing, by the rule that applied.");
    prometheus::Family<Counter>& growths =
        counters(registry, "spoor_ring_growths_total", "Rings that were granted growth.");
    prometheus::Family<Counter>& refusals =
        counters(registry, "spoor_refusals_total", "What was refused, by rule and reason.");
    prometheus::Family<Counter>& lost_records = counters(
        registry, "spoor_records_lost_total", "Records of accesses that could not be delivered, by cause.");
    prometheus::Family<Counter>& reloads =
        counters(registry, "spoor_reloads_total", "Reloads of the policy, by outcome.");
    prometheus::Family<Gauge>& sessions =
        gauges(registry, "spoor_sessions", "Containers that are traced now, by rule and uid.");
    prometheus::Family<Gauge>& ring_bytes =
        gauges(registry, "spoor_ring_bytes", "Size of their rings, by rule and uid.");
    prometheus::Family<Gauge>& dedupe_entries = gauges(
        registry, "spoor_dedupe_entries", "Entries of their tables of what was reported, by rule and uid.");
    Counter& records = counters(registry, "spoor_records_total", "Records put into rings.").Add({});
    Counter& audit_lost =
        counters(registry, "spoor_audit_lines_lost_total", "Lines that the audit log has not got.").Add({});
    Gauge& connections = gauges(registry, "spoor_connections", "Connections that are open.").Add({});
    Gauge& programs =
        gauges(registry, "spoor_programs_attached", "BPF programs that are attached to the kernel.").Add({});
    prometheus::Histogram& armed_in = prometheus::BuildHistogram()
                                          .Name("spoor_arm_seconds")
                                          .Help("How long spoord took to grant a container its tracing.")
                                          .Register(registry)
                                          .Add({}, arm_seconds);
    Counter& ring_full = lost_records.Add({{"cause", "ring_full"}});
    Counter& scratch = lost_records.Add({{"cause", "scratch"}});
    Counter& processes = lost_records.Add({{"cause", "processes"}});
    Counter& fault = lost_records.Add({{"cause", "fault"}});
    Counter& scopes = lost_records.Add({{"cause", "scopes"}});

    // By (rule, uid as shown).
    struct Shown {
        Gauge* sessions;
        Gauge* ring_bytes;
        Gauge* dedupe_entries;
    };
    std::map<std::pair<std::string, std::string>, Shown> shown;

    std::function<size_t()> programs_attached;
    MetricsServer server;  // last: its thread reads the above

    State() {
        gauges(registry, "spoor_build_info", "1, with the version as a label.")
            .Add({{"version", SPOOR_VERSION}})
            .Set(1);
    }

    [[nodiscard]] std::string text() {
        if (programs_attached) programs.Set(static_cast<double>(programs_attached()));
        std::ostringstream out;
        prometheus::TextSerializer().Serialize(out, registry.Collect());
        return out.str();
    }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Status Metrics::bind(const Config::Metrics& options) { return state_->server.bind(options); }

Status Metrics::start(std::function<size_t()> programs_attached) {
    state_->programs_attached = std::move(programs_attached);
    return state_->server.start([this] { return text(); });
}

bool Metrics::served() const { return state_->server.wanted(); }

void Metrics::request(const char* name) { state_->requests.Add({{"request", name}}).Increment(); }

void Metrics::granted(const std::string& tenant) { state_->grants.Add({{"tenant", tenant}}).Increment(); }

void Metrics::grown(const std::string& tenant) { state_->growths.Add({{"tenant", tenant}}).Increment(); }

void Metrics::refused(const std::string& tenant, const std::string& reason) {
    state_->refusals.Add({{"tenant", tenant}, {"reason", reason}}).Increment();
}

void Metrics::armed_in(std::chrono::nanoseconds took) {
    state_->armed_in.Observe(std::chrono::duration<double>(took).count());
}

void Metrics::connections(size_t open) { state_->connections.Set(static_cast<double>(open)); }

void Metrics::accounts(const std::map<Ledger::Account, Ledger::Use>& in_use) {
    std::map<std::pair<std::string, std::string>, Ledger::Use> wanted;
    size_t count = 0;
    for (const auto& [account, use] : in_use) {
        std::string uid = ++count > accounts_shown ? "other"
                          : account.together       ? ""
                                                   : std::to_string(account.uid);
        Ledger::Use& sum = wanted[{account.tenant, std::move(uid)}];
        sum.containers += use.containers;
        sum.ring_bytes += use.ring_bytes;
        sum.dedupe_entries += use.dedupe_entries;
    }
    std::erase_if(state_->shown, [&](const auto& entry) {
        if (wanted.contains(entry.first)) return false;
        state_->sessions.Remove(entry.second.sessions);
        state_->ring_bytes.Remove(entry.second.ring_bytes);
        state_->dedupe_entries.Remove(entry.second.dedupe_entries);
        return true;
    });
    for (const auto& [labels, use] : wanted) {
        auto at = state_->shown.find(labels);
        if (at == state_->shown.end()) {
            const prometheus::Labels named{{"tenant", labels.first}, {"uid", labels.second}};
            at = state_->shown
                     .emplace(labels,
                              State::Shown{&state_->sessions.Add(named), &state_->ring_bytes.Add(named),
                                           &state_->dedupe_entries.Add(named)})
                     .first;
        }
        at->second.sessions->Set(use.containers);
        at->second.ring_bytes->Set(static_cast<double>(use.ring_bytes));
        at->second.dedupe_entries->Set(static_cast<double>(use.dedupe_entries));
    }
}

void Metrics::records(const spoor_counters& more) {
    const auto add = [](Counter& counter, uint64_t count) { counter.Increment(static_cast<double>(count)); };
    add(state_->records, more.emitted);
    add(state_->ring_full, more.lost_ring_full);
    add(state_->scratch, more.lost_scratch);
    add(state_->processes, more.lost_processes);
    add(state_->fault, more.lost_fault);
    add(state_->scopes, more.lost_scopes);
}

void Metrics::reloaded(bool taken) {
    state_->reloads.Add({{"outcome", taken ? "taken" : "refused"}}).Increment();
}

void Metrics::audit_lost(uint64_t in_all) {
    const double more = static_cast<double>(in_all) - state_->audit_lost.Value();
    if (more > 0) state_->audit_lost.Increment(more);
}

std::string Metrics::text() const { return state_->text(); }

}  // namespace spoor::broker
