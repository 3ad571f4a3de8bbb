#include "shim/recorder/session_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <utility>

#include "base/clock.h"
#include "base/epoll.h"
#include "base/files.h"
#include "base/process.h"
#include "shim/ipc/private_broker.h"
#include "shim/recorder/container_process.h"
#include "shim/recorder/outbox.h"
#include "shim/recorder/own_volumes.h"
#include "shim/recorder/volume_mount_point.h"

namespace spoor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The kernel wakes a consumer only if it has caught up, so not looking for a moment makes one wake-up
// of many. Short enough for the smallest ring in a storm (half full after 5 ms at 300,000 records a second).
constexpr auto drain_pause = milliseconds(5);
// After the end of the container's first process: the record of its own end is close, and somebody waits.
constexpr auto without_pause = milliseconds(100);
// What happened is on the disk a second later: the rest of it is the disk's.
constexpr auto flush_interval = milliseconds(750);
// Between two looks at the control socket.
constexpr size_t drain_batch = 4096;
constexpr size_t signal_batch = 64;
constexpr const char* cgroup_root = "/sys/fs/cgroup";

}  // namespace

SessionEnvironment::SessionEnvironment()
    : connect_broker(broker::connect_or_start_private),
      find_cgroup([](pid_t pid) { return open_container_cgroup(pid); }),
      open_ring([](UniqueFd fd, uint32_t bytes) { return Ring::map(std::move(fd), bytes); }),
      cgroups(is_cgroup2(cgroup_root) ? cgroup_root : ""),
      is_container_init(is_new_namespace_init) {}

SessionLoop::SessionLoop(Job job, UniqueFd runtime, UniqueFd ready, SessionEnvironment environment)
    : job_(std::move(job)),
      runtime_(std::move(runtime)),
      ready_(std::move(ready)),
      environment_(std::move(environment)),
      log_(Log::open(job_.log_file, job_.log_level, "recorder " + job_.container_id)),
      arming_(job_, environment_, broker_) {}

SessionLoop::~SessionLoop() = default;

Status SessionLoop::run() {
    Status outcome = set_up();
    if (outcome) {
        prepare();
        outcome = loop();
    } else if (ready_) {
        [[maybe_unused]] auto told = write_all(ready_.get(), control_answer(outcome) + "\n");
    }
    if (phase_ != Phase::over) {
        const std::string reason = outcome ? "the recorder stopped" : outcome.error().message;
        conclude(SessionState::degraded, {reason});
    }
    return outcome;
}

Status SessionLoop::watch(int fd, uint32_t events) const { return spoor::watch(epoll_.get(), fd, events); }

// What the loop itself cannot do without.
Status SessionLoop::set_up() {
    const auto identity = identity_of(job_.state_dir);
    if (!identity) return identity.error();
    state_dir_identity_ = *identity;
    auto control = ControlServer::listen(job_.state_dir);
    if (!control) return std::move(control).error();
    control_.emplace(std::move(*control));

    sigset_t handled;
    ::sigemptyset(&handled);
    for (int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&handled, number);
    ::pthread_sigmask(SIG_BLOCK, &handled, nullptr);
    signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!signals_ || !epoll_) return errno_error("set up the event loop");
    SPOOR_TRY(watch(signals_.get(), EPOLLIN));
    SPOOR_TRY(watch(control_->fd(), EPOLLIN));
    SPOOR_TRY(watch(arming_.fd(), EPOLLIN));
    return watch(runtime_.get(), EPOLLIN);
}

// What tracing takes. A failure is told to the runtime and remembered for the session file.
void SessionLoop::prepare() {
    const auto deadline = steady_clock::now() + milliseconds(job_.setup_deadline_ms);
    if (auto volume = Volume::open(job_.volume_dir)) {
        volume_.emplace(std::move(*volume));
        if (const auto identity = identity_of(volume_->trace())) trace_identity_ = *identity;
    } else {
        impediment_ = std::move(volume).error().context("the volume");
    }
    if (!impediment_) {
        if (auto client = environment_.connect_broker(job_, deadline))
            broker_.emplace(std::move(*client));
        else
            impediment_ = std::move(client).error();
    }
    if (impediment_) log_.warn(impediment_->message);
    const Status outcome = impediment_ ? Status(*impediment_) : Status();
    if (auto told = write_all(ready_.get(), control_answer(outcome) + "\n"); !told)
        log_.warn(told.error().message);
    ready_.reset();
    if (!impediment_) arming_.begin();
}

Status SessionLoop::loop() {
    while (phase_ != Phase::over) {
        epoll_event events[32];
        int count = ::epoll_wait(epoll_.get(), events, std::size(events), next_timeout_ms());
        if (count < 0 && errno != EINTR) return errno_error("epoll_wait");
        for (int i = 0; i < count && phase_ != Phase::over; ++i)
            dispatch(events[i].data.fd, events[i].events);
        if (phase_ != Phase::over) work_if_due();
    }
    return {};
}

void SessionLoop::dispatch(int fd, uint32_t events) {
    if (fd == signals_.get()) return on_signal();
    if (fd == runtime_.get()) return on_runtime_ended();
    if (fd == init_.get()) return on_init_ended();
    if (fd == arming_.fd()) return arming_.step();
    if (fd == control_->fd()) {
        for (int connection : control_->accept()) [[maybe_unused]] auto watched = watch(connection, EPOLLIN);
        return;
    }
    if (session_ && fd == session_->wait_fd()) {
        records_wait_ = true;
        return;
    }
    if (session_ && inbox_ && fd == inbox_->fd()) {
        signals_wait_ = true;
        return;
    }
    if (session_ && fd == session_->broker_fd()) {
        session_->step();
        records_wait_ = true;
        return;
    }
    if (events != 0) on_control(fd);
}

int SessionLoop::next_timeout_ms() const {
    std::optional<Time> next;
    auto at = [&next](Time time) { next = next ? std::min(*next, time) : time; };
    if (records_wait_) at(next_drain_);
    if (flush_due_) at(*flush_due_);
    if (cgroup_check_due_) at(*cgroup_check_due_);
    if (signals_wait_) at(Time{});
    if (session_ && session_->away()) at(session_->resume_due());
    if (session_ && session_->due_ns() != UINT64_MAX) {
        const uint64_t now = boot_time_ns(), due = session_->due_ns();
        at(steady_clock::now() + std::chrono::nanoseconds(due > now ? due - now : 0));
    }
    if (!next) return -1;
    auto left = std::chrono::ceil<milliseconds>(*next - steady_clock::now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

void SessionLoop::work_if_due() {
    const Time now = steady_clock::now();
    if (records_wait_ && now >= next_drain_) drain();
    if (session_ && signals_wait_) take_signals(false);
    if (session_ && session_->due_ns() <= boot_time_ns()) session_->tick();
    if (session_ && session_->away() && now >= session_->resume_due()) session_->step();
    if (session_) watch_broker();
    if (phase_ == Phase::over) return;
    if (conclusion_ && !session_->away()) return conclude_when_settled(*conclusion_);
    if (session_ && session_->ended() && !conclusion_) return conclude_when_settled(SessionState::finished);
    // Each of the above may have changed the ring: nobody waits on the new one yet.
    if (session_ && session_->ring_generation() != watched_generation_) records_wait_ = true;
    if (session_ && session_->unflushed() && !flush_due_) flush_due_ = now + flush_interval;
    if (flush_due_ && now >= *flush_due_) {
        flush_due_.reset();
        session_->flush();
        if (session_->unflushed()) flush_due_ = now + flush_interval;
    }
    if (cgroup_check_due_ && now >= *cgroup_check_due_) {
        if (cgroup_gone()) return conclude_when_settled(SessionState::finished);
        cgroup_check_due_ = now + environment_.cgroup_check_interval;
    }
}

void SessionLoop::drain() {
    records_wait_ = session_->drain(drain_batch);
    const Time now = steady_clock::now();
    next_drain_ = records_wait_ || now < no_pause_until_ ? Time{} : now + drain_pause;
    if (session_->ring_generation() != watched_generation_) {
        watched_generation_ = session_->ring_generation();
        if (auto watched = watch(session_->wait_fd(), EPOLLIN | EPOLLET); !watched)
            return conclude(SessionState::degraded, {watched.error().message});
        records_wait_ = true;
    }
}

void SessionLoop::watch_broker() {
    if (std::exchange(watched_broker_, session_->broker_generation()) == session_->broker_generation() ||
        session_->broker_fd() < 0)
        return;
    auto watched = watch(session_->broker_fd(), EPOLLIN | EPOLLRDHUP);
    if (!watched && watched.error().code != EEXIST)  // the attempt that succeeded is watched
        conclude(SessionState::degraded, {watched.error().message});
}

void SessionLoop::take_signals(bool all) {
    const TaskInbox::Handlers handlers{
        [this](TaskSignal signal) { session_->take_signal(std::move(signal)); },
        [this](std::string warning) { session_->add_warning(std::move(warning)); }};
    if (all)
        inbox_->take_all(handlers);
    else
        signals_wait_ = inbox_->take(signal_batch, handlers);
}

void SessionLoop::on_signal() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        if (info.ssi_signo == SIGHUP || phase_ == Phase::over) continue;
        conclude(SessionState::degraded, {"the recorder was told to stop by a signal"});
    }
}

void SessionLoop::on_runtime_ended() {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, runtime_.get(), nullptr);
    runtime_ended_ = true;
    // A hook may have asked just before, or be about to ask.
    const auto silent = control_->serve_waiting(
        [this](int connection, const ControlRequest& request) { serve(connection, request); });
    for (int connection : silent) [[maybe_unused]] auto watched = watch(connection, EPOLLIN);
    if (phase_ == Phase::waiting) {
        log_.info("the runtime ended without a container");
        conclude(SessionState::degraded, {});
    } else if (phase_ == Phase::untraced && !init_) {
        conclude(SessionState::untraced, {});
    }
}

void SessionLoop::on_init_ended() {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, init_.get(), nullptr);
    init_ended_ = true;
    next_drain_ = Time{};
    no_pause_until_ = steady_clock::now() + without_pause;
    // Others may live on in the cgroup. Its end is normally told by a record or by the poststop hook.
    cgroup_check_due_ = steady_clock::now() + environment_.cgroup_check_interval;
}

bool SessionLoop::cgroup_gone() const {
    if (!cgroup_) return init_ended_;
    UniqueFd procs(::openat(cgroup_.get(), "cgroup.procs", O_RDONLY | O_CLOEXEC));
    return !procs && (errno == ENOENT || errno == ENODEV);
}

void SessionLoop::on_control(int connection) {
    auto request = control_->read(connection);
    if (request) return serve(connection, *request);
    if (request.error().code != EAGAIN) log_.debug(request.error().message);
}

void SessionLoop::serve(int connection, const ControlRequest& request) {
    if (request.op == ControlRequest::Op::finish) {
        waiting_for_finish_.push_back(connection);
        if (phase_ != Phase::over)
            conclude_when_settled(phase_ == Phase::untraced ? SessionState::untraced
                                                            : SessionState::finished);
        return;
    }
    if (phase_ == Phase::over) {
        control_->answer(connection, Error{ESHUTDOWN, "the session is over"});
        return;
    }
    // A hook that has given up lets the container start: what it did before we were ready is not known.
    const Status armed = arm(request.pid);
    const bool in_time = control_->answer(connection, armed);
    if (!armed) arming_.give_up();
    if (!in_time && session_) session_->add_reason("tracing began after the container had started");
}

Status SessionLoop::arm(pid_t pid) {
    if (phase_ != Phase::waiting) return Error{EALREADY, "this container's session has begun already"};
    init_ = open_pidfd(pid).value_or(UniqueFd());
    init_pid_ = pid;
    if (init_) {
        if (auto watched = watch(init_.get(), EPOLLIN); !watched) log_.warn(watched.error().message);
    }
    Status started = impediment_ ? Status(*impediment_) : start_tracing(pid);
    if (started) {
        phase_ = Phase::tracing;
        log_.info("tracing");
        return started;
    }
    log_.warn("untraced: " + started.error().message);
    impediment_ = started.error();
    phase_ = Phase::untraced;
    write_untraced(impediment_->message);
    if (runtime_ended_ && !init_) conclude(SessionState::untraced, {});
    return started;
}

Status SessionLoop::start_tracing(pid_t pid) {
    if (!init_) return Error{ESRCH, "the container's process " + std::to_string(pid) + " is gone"};
    auto ring = arming_.arm(pid, init_.get(), cgroup_);
    if (!ring) return std::move(ring).error();
    if (arming_.was_early()) log_.debug("armed before the hook asked");

    Session session = facts();
    session.ring_bytes = static_cast<uint32_t>(ring->reader().size());
    auto inbox = TaskInbox::open(volume_->agent(), arming_.take_inotify());
    if (!inbox)
        session.warnings.push_back("task signals are not seen: " + inbox.error().message);
    else if (!inbox->why_by_clock().empty())
        session.warnings.push_back("task signals are seen late, by " +
                                   std::to_string(TaskInbox::look_interval.count()) +
                                   " ms (inotify(7), max_user_instances): " + inbox->why_by_clock());
    Trail trail(std::move(*volume_), std::move(session), trail_options_of(job_, init_pid_));
    volume_.reset();
    if (auto begun = trail.begin(); !begun) {
        broker_->close();
        [[maybe_unused]] auto tried = trail.finish({}, {}, {begun.error().message}, SessionState::untraced);
        return std::move(begun).error().context("the volume");
    }
    std::optional<Freezer> freezer;
    if (job_.freeze) {
        if (auto file = open_container_freezer(pid))
            freezer.emplace(std::move(*file));
        else
            trail.add_warning("on_pressure: " + file.error().message);
    }
    session_ = std::make_unique<TracedSession>(
        std::move(*broker_), std::move(*ring), std::move(trail), environment_.open_ring, job_.ring_max_bytes,
        milliseconds(job_.setup_deadline_ms), ComeBack{job_.broker_socket, environment_.absence_limit}, log_,
        std::move(freezer));
    broker_.reset();
    watched_generation_ = session_->ring_generation();
    Status watched = watch(session_->wait_fd(), EPOLLIN | EPOLLET);
    if (watched) watched = watch(session_->broker_fd(), EPOLLIN | EPOLLRDHUP);
    watched_broker_ = session_->broker_generation();
    if (watched && inbox) {
        inbox_.emplace(std::move(*inbox));
        watched = watch(inbox_->fd(), EPOLLIN);
        signals_wait_ = true;  // those that are there already
    }
    if (!watched) {
        session_->conclude(SessionState::untraced, {watched.error().message});
        session_.reset();
    }
    return watched;
}

Session SessionLoop::facts() const {
    Session session = facts_of(job_);
    if (broker_) {
        session.family = name_of(broker_->coverage().family);
        session.exact_ops = broker_->coverage().exact_ops;
        session.lexical_ops = broker_->coverage().lexical_ops;
    }
    return session;
}

void SessionLoop::write_untraced(const std::string& reason) {
    if (!volume_) return;
    Session session = facts();
    session.family = "none";
    session.exact_ops = session.lexical_ops = 0;
    session.state = SessionState::untraced;
    session.started = WallClock().rfc3339(boot_time_ns());
    session.reasons = {reason};
    Status written = volume_->clear();
    if (written) written = write_session(volume_->trace(), session);
    if (!written) log_.warn(written.error().message);
}

void SessionLoop::conclude_when_settled(SessionState state) {
    if (!session_ || session_->settle()) return conclude(state, {});
    conclusion_ = state;
    session_->hurry(steady_clock::now() + environment_.settle_limit);
}

// `reasons`: why this is no orderly end; none while waiting means that the container never came to be.
void SessionLoop::conclude(SessionState state, std::vector<std::string> reasons) {
    const Phase was = std::exchange(phase_, Phase::over);
    bool never_started = was == Phase::waiting && reasons.empty();
    if (was == Phase::untraced) never_started = job_.on_unavailable == "refuse";
    const auto warn_of = [this](const Status& done) {
        if (!done) log_.warn(done.error().message);
    };
    Status written;
    std::unique_ptr<Syncer> syncer;  // those who wait do not wait for the disk
    if (session_) {
        if (inbox_) take_signals(true);
        auto outcome = session_->conclude(state, std::move(reasons));
        written = outcome.written;
        never_started = outcome.never_started;
        syncer = std::move(outcome.syncer);
        session_.reset();  // gives the volume free before anybody is told
    } else if (was == Phase::waiting && !reasons.empty()) {
        write_untraced(reasons.front());
    }
    if (was == Phase::untraced && !never_started)
        warn_of(Outbox::tell_untraced(job_.delivery, facts(), impediment_->message));
    broker_.reset();
    volume_.reset();
    warn_of(written);
    if (job_.own_volume) {
        // A new container of this name may have moved our volume aside and made its own.
        const std::string trace = job_.volume_dir + "/" + trace_directory;
        if (never_started) warn_of(remove_own_tree(job_.volume_dir, trace, trace_identity_));
    }
    remove_volume_mount_point(job_);
    warn_of(remove_own_state_dir(job_.state_dir, state_dir_identity_));
    if (control_) {
        // Also those who asked while the reports were being written.
        control_->serve_waiting(
            [this](int connection, const ControlRequest& request) { serve(connection, request); });
        for (int connection : waiting_for_finish_) control_->answer(connection, written);
        waiting_for_finish_.clear();
    }
    if (!job_.own_volume) return;
    // What is of no concern to who waited.
    const std::string directory = broker::state_root_of(job_) + "/" + own_volumes_directory;
    for (const auto& name : prune_own_volumes(directory, job_.volume_dir, job_.keep_volumes))
        log_.info("removed the old volume " + name);
}

}  // namespace spoor
