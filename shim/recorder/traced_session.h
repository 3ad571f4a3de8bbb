// A container that is being traced: the connection to spoord that keeps the session alive, the
// ring, the decoder and the trail that it feeds. Driven by the session loop; single-threaded.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "shim/ipc/broker_client.h"
#include "shim/ipc/log.h"
#include "shim/recorder/decode.h"
#include "shim/recorder/freezer.h"
#include "shim/recorder/refusal_window.h"
#include "shim/recorder/resumption.h"
#include "shim/recorder/ring.h"
#include "signal/trail.h"

namespace spoor {

using RingOpener = std::function<Result<Ring>(UniqueFd fd, uint32_t bytes)>;

struct ComeBack {
    std::string broker_socket;
    std::chrono::milliseconds limit;
};

class TracedSession {
public:
    // `broker` holds the armed session that writes to `ring`. `call_limit`: the longest wait for an
    // answer of spoord. `ring_bytes_max`: what the ring may grow to, within spoord's own quota.
    // `come_back`: where a spoord is found that comes after this one, and how long it is waited for.
    // `freezer`: holds the container while a ring that may not grow is more than half full.
    TracedSession(broker::Client broker, Ring ring, Trail trail, RingOpener open_ring,
                  uint32_t ring_bytes_max, std::chrono::milliseconds call_limit, ComeBack come_back, Log log,
                  std::optional<Freezer> freezer = std::nullopt);
    TracedSession(const TracedSession&) = delete;
    TracedSession& operator=(const TracedSession&) = delete;

    // What to wait on for records, edge-triggered. Another one whenever ring_generation() changed.
    [[nodiscard]] int wait_fd() const { return ring_->wait_fd(); }
    [[nodiscard]] unsigned ring_generation() const { return ring_generation_; }
    // The connection to spoord, or, while away(), the attempt to have one; -1: there is none. Another one
    // whenever broker_generation() changed. To be told to step() when it is readable or resume_due().
    [[nodiscard]] int broker_fd() const { return away_ ? away_->fd() : broker_.fd(); }
    [[nodiscard]] unsigned broker_generation() const {
        return broker_generation_ + (away_ ? away_->attempts() : 0);
    }
    // spoord is gone, but may come back.
    [[nodiscard]] bool away() const { return away_.has_value(); }
    [[nodiscard]] std::chrono::steady_clock::time_point resume_due() const { return away_->due(); }
    // Something came from spoord, or the next attempt to reach it is due.
    void step();
    // Somebody waits for the end of the session: spoord is waited for no longer than until then.
    void hurry(std::chrono::steady_clock::time_point give_up) {
        if (away_) away_->hurry(give_up);
    }

    // Takes out at most `records_max` records, growing the ring when it is more than a quarter full.
    // True: there are more.
    bool drain(size_t records_max);
    // The cgroup is gone: a record said so.
    [[nodiscard]] bool ended() const { return sink_.ended; }
    // Something came into the trail since the last flush, or waits there for another.
    [[nodiscard]] bool unflushed() const { return received_ != flushed_ || trail_.unflushed(); }
    // Writes the lines out; now and then also session.json with current numbers.
    void flush();
    // A signal of the agent's, after what is in the ring by now.
    void take_signal(TaskSignal signal);
    void add_warning(std::string warning) { trail_.add_warning(std::move(warning)); }
    // Does what is due for the tasks, and when (CLOCK_BOOTTIME; UINT64_MAX: nothing is due).
    void tick();
    [[nodiscard]] uint64_t due_ns() const { return trail_.tasks_due_ns(); }
    // Makes the session incomplete.
    void add_reason(std::string reason) { trail_.add_reason(std::move(reason)); }
    // Stops the recording in the kernel, for conclude(). False: spoord is away; to be asked again when it is
    // not.
    bool settle();

    struct Outcome {
        Status written;                  // the final session.json
        bool never_started = false;      // surely no program of the user has run
        std::unique_ptr<Syncer> syncer;  // Trail::take_syncer()
    };
    // Ends the session in the kernel, unless that has been done, takes the rest out of the ring, writes all
    // reports. Once. `reasons` make it incomplete.
    Outcome conclude(SessionState state, std::vector<std::string> reasons);

private:
    struct TrailSink : EventSink {
        explicit TrailSink(Trail& to) : trail(to) {}
        void on(const ForkEvent& event, uint64_t time_ns) override { trail.on(event, time_ns); }
        void on(const ExecEvent& event, uint64_t time_ns) override {
            executed = true;
            trail.on(event, time_ns);
        }
        void on(const ExitEvent& event, uint64_t time_ns) override { trail.on(event, time_ns); }
        void on(const AccessEvent& event, uint64_t time_ns) override { trail.on(event, time_ns); }
        void on_end(uint64_t) override { ended = true; }

        Trail& trail;
        bool executed = false;
        bool ended = false;
    };

    [[nodiscard]] broker::Deadline call_deadline() const {
        return std::chrono::steady_clock::now() + call_limit_;
    }
    bool take_records(size_t records_max);
    void take_what_is_there();
    // What tasks ask for: processes to be killed, and such whose reports the kernel is to forget.
    void serve_tasks();
    // Hands the kernel side what it is to refuse. When this returns, it does.
    void serve_refusals();
    void open_window();
    void grow_if_needed();
    void hold_if_needed();
    void release_if_drained();
    void note_holds();
    // spoord hung up. What is in the ring is still to be had.
    void lose_broker();
    void go_on(Resumption::Resumed resumed);
    void note_lost_broker();
    bool replace_ring(broker::GrantedRing granted);
    void checkpoint();
    void ask_for_counters();
    uint64_t catch_up();
    [[nodiscard]] SessionLoss loss() const;
    [[nodiscard]] SessionLoss loss_so_far() const;

    broker::Client broker_;
    std::unique_ptr<Ring> ring_;
    Trail trail_;
    TrailSink sink_;
    Decoder decoder_;
    RingOpener open_ring_;
    uint32_t ring_bytes_max_;
    std::chrono::milliseconds call_limit_;
    ComeBack come_back_;
    Log log_;
    std::optional<Freezer> freezer_;

    unsigned ring_generation_ = 0;
    bool may_grow_ = true;
    bool just_grown_ = false;
    bool cannot_renew_ = false, cannot_kill_ = false;  // told
    bool window_asked_ = false, cannot_refuse_ = false;
    std::optional<RefusalWindow> window_;
    bool lost_broker_ = false;  // for good
    std::optional<Resumption> away_;
    unsigned broker_generation_ = 0;
    bool settled_ = false;                         // the counters are final
    std::vector<TaskBook::HostProcess> renewals_;  // to be told to spoord
    uint64_t received_ = 0;
    uint64_t flushed_ = 0;          // received_ at the last flush
    uint64_t old_corruptions_ = 0;  // of rings that were replaced
    spoor_counters counters_{};     // the newest from spoord
    std::chrono::steady_clock::time_point next_checkpoint_;
};

}  // namespace spoor
