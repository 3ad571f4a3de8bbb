#include "shim/recorder/traced_session.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "shim/recorder/container_process.h"

namespace spoor {
namespace {

constexpr auto checkpoint_interval = std::chrono::seconds(10);

// What the kernel side lost, in words; what the recorder itself did not understand is told elsewhere.
std::vector<std::string> reasons_of(const SessionLoss& lost) {
    std::vector<std::string> reasons;
    const auto tell = [&reasons](uint64_t count, const char* why) {
        if (count > 0) reasons.push_back("lost " + std::to_string(count) + ": " + why);
    };
    tell(lost.ring_full, "the ring was full (ring.max, on_pressure)");
    tell(lost.scratch, "no buffer to build a record in, or the kernel left a program out");
    tell(lost.process_table, "the table of processes was full");
    tell(lost.fault, "what a call named could not be read");
    tell(lost.scopes, "the table of cgroups was full");
    return reasons;
}

const char* const broker_lost_reason = "the broker went away";

}  // namespace

TracedSession::TracedSession(broker::Client broker, Ring ring, Trail trail, RingOpener open_ring,
                             uint32_t ring_bytes_max, std::chrono::milliseconds call_limit,
                             ComeBack come_back, Log log, std::optional<Freezer> freezer)
    : broker_(std::move(broker)),
      ring_(std::make_unique<Ring>(std::move(ring))),
      trail_(std::move(trail)),
      sink_(trail_),
      decoder_(sink_),
      open_ring_(std::move(open_ring)),
      ring_bytes_max_(ring_bytes_max),
      call_limit_(call_limit),
      come_back_(std::move(come_back)),
      log_(std::move(log)),
      freezer_(std::move(freezer)),
      next_checkpoint_(std::chrono::steady_clock::now() + checkpoint_interval) {}

bool TracedSession::drain(size_t records_max) {
    // What came while a ring grew says nothing about the new one: a round without growing first.
    if (!std::exchange(just_grown_, false)) grow_if_needed();
    hold_if_needed();
    const bool more = take_records(records_max);
    release_if_drained();
    serve_tasks();
    return more;
}

// Not what comes meanwhile: a busy container must not hold up its own signals.
void TracedSession::take_what_is_there() {
    grow_if_needed();
    take_records(ring_->reader().size() / sizeof(spoor_event));
    release_if_drained();
}

void TracedSession::take_signal(TaskSignal signal) {
    take_what_is_there();
    uint64_t behind = 0;
    if (signal.event == TaskEvent::end) {
        ask_for_counters();
        behind = catch_up();
    }
    SessionLoss loss = loss_so_far();
    loss.consumer += behind;
    trail_.on(std::move(signal), boot_time_ns(), loss);
    serve_tasks();
}

void TracedSession::tick() {
    const uint64_t now = boot_time_ns();
    if (trail_.will_report(now)) ask_for_counters();
    trail_.tick(now, loss_so_far());
    serve_tasks();
}

void TracedSession::ask_for_counters() {
    if (!broker_.connected()) return;
    if (auto counters = broker_.stats(call_deadline())) counters_ = *counters;
    if (!broker_.connected()) lose_broker();
}

// A record that is still being written, by whom the processor was taken from, hides those behind it. What had
// been written when the counters were asked for and does not come out is returned.
uint64_t TracedSession::catch_up() {
    constexpr auto patience = std::chrono::milliseconds(100), pause = std::chrono::milliseconds(1);
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        take_what_is_there();
        if (received_ >= counters_.emitted) return 0;
        if (std::chrono::steady_clock::now() >= end) return counters_.emitted - received_;
        std::this_thread::sleep_for(pause);
    }
}

void TracedSession::serve_tasks() {
    // Children that were forked in the meantime are in the ring when their parent is dead.
    constexpr int rounds_max = 50;
    for (int round = 0; round < rounds_max; ++round) {
        const auto kills = trail_.take_kills();
        if (kills.empty()) break;
        for (const auto& kill : kills) {
            auto killed = kill_process(kill.host_pid, kill.process.start_ns);
            if (killed || killed.error().code == ESRCH) continue;
            if (!std::exchange(cannot_kill_, true))
                trail_.add_warning("strict mode: pid " + std::to_string(kill.process.pid) +
                                   " cannot be killed: " + killed.error().message);
        }
        take_what_is_there();
    }
    serve_refusals();
    for (const auto& renewal : trail_.take_renewals())
        if (renewal.host_pid != 0) renewals_.push_back(renewal);
    if (away_ && !renewals_.empty())
        trail_.add_reason(
            "a process changed hands while the broker was away: repeated accesses may be missing");
    while (!renewals_.empty() && broker_.connected()) {
        auto renewed =
            broker_.renew(renewals_.back().host_pid, renewals_.back().process.start_ns, call_deadline());
        if (!broker_.connected()) return lose_broker();
        renewals_.pop_back();
        if (!renewed && renewed.error().code != ESRCH && !std::exchange(cannot_renew_, true))
            trail_.add_reason("a process that changed hands may be missing repeated accesses: " +
                              renewed.error().message);
    }
}

// Where accesses are not refused, strict mode kills, as ever.
void TracedSession::open_window() {
    if (std::exchange(window_asked_, true) || !broker_.connected()) return;
    if (broker_.coverage().family != broker::Family::lsm) return;
    auto fd = broker_.window(call_deadline());
    if (!broker_.connected()) return lose_broker();
    auto window = fd ? RefusalWindow::map(*fd) : Result<RefusalWindow>(fd.error());
    if (!window)
        return trail_.add_warning("strict mode: undeclared accesses are not refused but kill: " +
                                  window.error().message);
    window_.emplace(std::move(*window));
    trail_.refuse_in_place();
}

void TracedSession::serve_refusals() {
    if (trail_.wants_refusals()) open_window();
    if (!window_) return;
    for (const auto& change : trail_.take_refusals()) {
        if (change.table.empty()) {
            window_->withdraw(change.task);
        } else if (auto published = window_->publish(change.task, change.table);
                   !published && !std::exchange(cannot_refuse_, true)) {
            trail_.add_warning("strict mode: not all that is undeclared is refused: " +
                               published.error().message);
        }
    }
    const auto assignments = trail_.take_assignments();
    for (const auto& [process, task] : assignments) {
        if (!broker_.connected()) return;  // who is not refused is killed
        auto assigned = broker_.assign(process.host_pid, process.process.start_ns, window_->word_of(task),
                                       call_deadline());
        if (!broker_.connected()) return lose_broker();
        if (!assigned && assigned.error().code != ESRCH && !std::exchange(cannot_refuse_, true))
            trail_.add_warning("strict mode: not all that is undeclared is refused: " +
                               assigned.error().message);
    }
    if (!assignments.empty()) trail_.assigned(boot_time_ns());
}

void TracedSession::hold_if_needed() {
    const RingReader& reader = ring_->reader();
    const bool grows = may_grow_ && broker_.connected();
    if (!freezer_ || grows || freezer_->holds() || reader.fill() <= reader.size() / 2) return;
    if (auto held = freezer_->hold(); !held) {
        trail_.add_warning("on_pressure: " + held.error().message);
        freezer_.reset();
    }
}

void TracedSession::release_if_drained() {
    if (freezer_ && freezer_->holds() && ring_->reader().fill() <= ring_->reader().size() / 8)
        freezer_->release();
}

void TracedSession::note_holds() {
    if (!freezer_) return;
    freezer_->release();
    if (freezer_->count() == 0) return;
    trail_.add_warning("the container was held " + std::to_string(freezer_->count()) + " times, " +
                       std::to_string(freezer_->duration().count()) +
                       " ms in all, while its ring was drained");
}

bool TracedSession::take_records(size_t records_max) {
    RingReader& reader = ring_->reader();
    for (size_t taken = 0; taken < records_max; ++taken) {
        auto record = reader.next();
        if (!record) return false;
        ++received_;
        decoder_.decode(*record);
    }
    return true;
}

// From a quarter full on: until the kernel has changed over and spoord has answered, which takes a grace
// period, the larger ring fills without being read.
void TracedSession::grow_if_needed() {
    const RingReader& reader = ring_->reader();
    if (!may_grow_ || !broker_.connected() || reader.fill() <= reader.size() / 4) return;
    if (reader.size() * 2 > ring_bytes_max_) {
        may_grow_ = false;
        return;
    }
    auto granted = broker_.grow(static_cast<uint32_t>(reader.size() * 2), call_deadline());
    if (!broker_.connected()) return lose_broker();
    if (!granted) {
        may_grow_ = false;
        log_.info(granted.error().message);
        return;
    }
    just_grown_ = replace_ring(std::move(*granted));
}

// Nothing is written to the old ring any more: to its end first, so that the order stays.
bool TracedSession::replace_ring(broker::GrantedRing granted) {
    take_records(std::numeric_limits<size_t>::max());
    auto larger = open_ring_(std::move(granted.fd), granted.bytes);
    if (!larger) {
        // The kernel writes where we cannot read: the final count will show what was lost.
        may_grow_ = false;
        trail_.add_reason("the larger ring cannot be read: " + larger.error().message);
        return false;
    }
    old_corruptions_ += ring_->reader().corruptions();
    ring_ = std::make_unique<Ring>(std::move(*larger));
    ++ring_generation_;
    trail_.set_ring_bytes(granted.bytes);
    log_.info("the ring grew to " + std::to_string(granted.bytes) + " bytes");
    return true;
}

void TracedSession::flush() {
    trail_.flush();
    flushed_ = received_;
    if (std::chrono::steady_clock::now() < next_checkpoint_) return;
    next_checkpoint_ = std::chrono::steady_clock::now() + checkpoint_interval;
    checkpoint();
}

void TracedSession::checkpoint() {
    ask_for_counters();
    if (auto written =
            trail_.checkpoint({std::max<uint64_t>(counters_.emitted, received_), received_}, loss_so_far());
        !written)
        log_.warn(written.error().message);
}

void TracedSession::step() {
    const auto now = std::chrono::steady_clock::now();
    // spoord never speaks first: it has hung up.
    if (!away_) return lose_broker();
    auto outcome = away_->step(now);
    if (!outcome) return;
    broker_generation_ += away_->attempts() + 1;
    away_.reset();
    if (*outcome) return go_on(std::move(**outcome));
    trail_.add_reason("the session could not be resumed: " + outcome->error().message);
    note_lost_broker();
    checkpoint();
}

// Until it is back all that is written says that it may not be complete.
void TracedSession::lose_broker() {
    broker_.close();
    if (away_ || lost_broker_ || settled_) return;
    if (broker_.token() == broker::Token{}) {
        note_lost_broker();
    } else {
        log_.warn(std::string(broker_lost_reason) + "; waiting for another");
        trail_.add_reason(broker_lost_reason);
        away_.emplace(come_back_.broker_socket, broker_.token(),
                      std::chrono::steady_clock::now() + come_back_.limit);
    }
    checkpoint();
}

void TracedSession::go_on(Resumption::Resumed resumed) {
    broker_ = std::move(resumed.client);
    // An answer to grow may not have reached us.
    if (resumed.ring.bytes != ring_->reader().size()) replace_ring(std::move(resumed.ring));
    trail_.remove_reason(broker_lost_reason);
    log_.info("the session goes on");
    checkpoint();
    serve_tasks();
}

void TracedSession::note_lost_broker() {
    if (std::exchange(lost_broker_, true)) return;
    log_.warn(broker_lost_reason);
    trail_.add_reason(broker_lost_reason);
}

bool TracedSession::settle() {
    if (freezer_) freezer_->release();
    if (!away_ && broker_.connected() && !settled_) {
        auto counters = broker_.disarm(call_deadline());
        if (counters) {
            counters_ = *counters;
            settled_ = true;
        } else if (broker_.connected()) {
            trail_.add_reason("the final counters are not known: " + counters.error().message);
            settled_ = true;
        } else {
            lose_broker();
        }
    }
    return !away_;
}

SessionLoss TracedSession::loss() const {
    SessionLoss loss;
    loss.ring_full = counters_.lost_ring_full;
    loss.scratch = counters_.lost_scratch;
    loss.process_table = counters_.lost_processes;
    loss.fault = counters_.lost_fault;
    loss.scopes = counters_.lost_scopes;
    loss.consumer = counters_.emitted > received_ ? counters_.emitted - received_ : 0;
    loss.consumer += decoder_.anomalies().total() + old_corruptions_ + ring_->reader().corruptions();
    return loss;
}

// Records that wait in the ring are not lost.
SessionLoss TracedSession::loss_so_far() const {
    SessionLoss so_far = loss();
    so_far.consumer = decoder_.anomalies().total() + old_corruptions_ + ring_->reader().corruptions();
    return so_far;
}

TracedSession::Outcome TracedSession::conclude(SessionState state, std::vector<std::string> reasons) {
    note_holds();
    settle();
    // Without the final counters nobody can say that nothing was lost.
    if (!settled_) note_lost_broker();
    away_.reset();
    broker_.close();
    take_records(std::numeric_limits<size_t>::max());
    decoder_.finish();

    const SessionLoss lost = loss();
    for (std::string& reason : reasons_of(lost)) reasons.push_back(std::move(reason));
    if (uint64_t count = decoder_.anomalies().total(); count > 0)
        reasons.push_back("the recorder did not understand " + std::to_string(count) + " records");
    if (uint64_t count = old_corruptions_ + ring_->reader().corruptions(); count > 0)
        reasons.push_back("the ring was damaged " + std::to_string(count) + " times");
    if (lost_broker_ && state == SessionState::finished) state = SessionState::degraded;

    Outcome outcome;
    outcome.never_started = !sink_.executed && lost.total() == 0 && !lost_broker_ &&
                            state == SessionState::finished && trail_.session().reasons.empty();
    const SessionCounters counters{std::max<uint64_t>(counters_.emitted, lost_broker_ ? received_ : 0),
                                   received_};
    log_.info("session over: " + std::to_string(counters.events) + " events, " +
              std::to_string(lost.total()) + " lost");
    outcome.written = trail_.finish(counters, lost, std::move(reasons), state);
    outcome.syncer = trail_.take_syncer();
    return outcome;
}

}  // namespace spoor
