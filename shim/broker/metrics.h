// spoord's numbers, in Prometheus' text format: on a unix socket, on loopback TCP, in a file for
// node_exporter. docs/metrics.md lists them.
//
// Labels are bounded: `tenant` is the name of one of the operator's rules, never a word of a tenant's;
// `uid` stands beside it only for accounts that hold something now, the first 256 of them, the rest
// is uid="other".
//
// Threads: the functions may be called from one thread while another, Metrics' own, answers readers.
// A reader that stalls is waited for two seconds at most, by that thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "bpf/abi.h"
#include "config/config.h"
#include "shim/broker/quota.h"

namespace spoor::broker {

class Metrics {
public:
    // Nothing is served or written yet.
    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    // Binds what `options` name: the socket with mode 0600, or 0660 if it has a group, which its owner
    // must be in. To be called before privileges are given up.
    Status bind(const Config::Metrics& options);
    // Starts the thread, if something was bound or is to be written. `programs_attached` is called on it.
    Status start(std::function<size_t()> programs_attached);
    // Whether anybody can read the numbers.
    [[nodiscard]] bool served() const;

    void request(const char* name);
    void granted(const std::string& tenant);
    void grown(const std::string& tenant);
    void refused(const std::string& tenant, const std::string& reason);
    void armed_in(std::chrono::nanoseconds took);
    void connections(size_t open);
    void accounts(const std::map<Ledger::Account, Ledger::Use>& in_use);
    // What the kernel side counted since the last call for the same session.
    void records(const spoor_counters& more);
    void reloaded(bool taken);
    void audit_lost(uint64_t in_all);

    // All of it, as a reader gets it.
    [[nodiscard]] std::string text() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace spoor::broker
