#include "signal/trail.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "signal/access_log.h"
#include "signal/access_set.h"
#include "signal/process_table.h"
#include "signal/report.h"

namespace spoor {
namespace {

constexpr size_t warnings_max = 200;

void add_once(std::vector<std::string>& list, std::string text) {
    if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

std::string counted(uint64_t count, const char* one, const char* many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

struct Trail::Impl {
    Impl(Volume taken, Session facts, TrailOptions wanted)
        : volume(std::move(taken)),
          session(std::move(facts)),
          options(wanted),
          process_lines(volume.trace(), processes_file),
          processes(process_lines, clock, Redactor(session.secrets)),
          log(volume.trace(), clock, options.rotate_bytes),
          accesses(options.access_set_bytes),
          violation_lines(volume.trace(), violations_file),
          tasks(
              options.tasks, accesses, processes, violation_lines, clock,
              [this](Task& task, TaskEnd end, uint64_t end_ns) { return report(task, end, end_ns); },
              [this](std::string warning) { warn(std::move(warning)); }) {
        session.state = SessionState::tracing;
        session.started = clock.rfc3339(boot_time_ns());
        session.finished.clear();
    }

    [[nodiscard]] bool active() const { return begun && !finished; }

    void access(const AccessEvent& event, uint64_t time_ns) {
        if (event.flags & flag_truncated) ++cut_paths;
        log.add(event, time_ns);
        accesses.add(event);
        tasks.on(event, time_ns);
    }

    void warn(std::string warning) {
        if (session.warnings.size() == warnings_max)
            session.warnings.emplace_back("further warnings are left out");
        if (session.warnings.size() <= warnings_max) add_once(session.warnings, std::move(warning));
    }

    Status report(Task& task, TaskEnd end, uint64_t end_ns) {
        if (volume.tasks() < 0) return {};
        if (unsynced.size() >= Syncer::waiting_max / 2) sync();
        auto written = write_task_report(volume.tasks(), task, end, clock.rfc3339(task.opened_ns),
                                         clock.rfc3339(end_ns), accesses, processes, session);
        if (!written) {
            // One of an earlier end would be taken for it.
            ::unlinkat(volume.tasks(), (task_file_name(*task.id) + ".json").c_str(), 0);
            add_once(session.reasons, "a task's report could not be written (warnings)");
            return std::move(written).error();
        }
        unsynced.push_back(std::move(*written));
        if (!listener()) return {};
        const bool complete = session.loss.total() == 0 && report_reasons(task, session).empty();
        auto told = listener()->on_task_report(task, end, end_ns, complete, volume.tasks(),
                                               task_file_name(*task.id) + ".json");
        if (!told) return std::move(told).error().context("its delivery");
        return {};
    }

    [[nodiscard]] TrailListener* listener() const { return options.tasks.listener.get(); }

    void count() {
        session.processes = processes.processes();
        session.accesses = log.accesses();
        if (options.write_accesses) session.accesses_files = log.files();
    }

    void sync() {
        syncer->sync(process_lines.take_unsynced());
        syncer->sync(log.take_unsynced());
        syncer->sync(violation_lines.take_unsynced());
        syncer->sync(std::exchange(unsynced, {}));
    }

    Status replace_session() {
        auto file = make_session_file(volume.trace(), session);
        if (!file) return std::move(file).error();
        syncer->replace(std::move(*file));
        return {};
    }

    void note_cost() {
        rusage used{};
        if (::getrusage(RUSAGE_SELF, &used) < 0) return;
        auto ms = [](const timeval& time) { return time.tv_sec * 1000 + time.tv_usec / 1000; };
        session.recorder_cpu_ms = static_cast<uint64_t>(ms(used.ru_utime) + ms(used.ru_stime));
        session.recorder_peak_rss_kib = static_cast<uint64_t>(used.ru_maxrss);
    }

    // What the parts met with becomes the session's text, at the end.
    void gather_reasons() {
        for (const LineFile* file :
             {&std::as_const(process_lines), &log.file(), &std::as_const(violation_lines)}) {
            if (!file->in_place())
                add_once(session.reasons,
                         "trace/" + file->name() +
                             " was removed, replaced or changed by somebody else while it was "
                             "being written");
            if (file->lost_lines() > 0)
                add_once(
                    session.reasons,
                    file->error() + ": " + counted(file->lost_lines(), "line is", "lines are") + " missing");
        }
        if (cut_paths > 0)
            add_once(session.reasons,
                     counted(cut_paths, "path was", "paths were") + " longer than can be reported, and cut");
        if (accesses.omitted() > 0)
            add_once(session.reasons, "the report leaves out " +
                                          counted(accesses.omitted(), "access", "accesses") +
                                          ": more paths than it has memory for");
        if (processes.tree_omitted() > 0)
            add_once(session.warnings, "the report's processTree leaves out " +
                                           counted(processes.tree_omitted(), "process", "processes"));
        if (!log.rotation_error().empty())
            add_once(session.warnings, "accesses.jsonl was not rotated: " + log.rotation_error());
    }

    // Members refer to `volume`, `clock` and to each other: an Impl stays where it is.
    Volume volume;
    WallClock clock;
    Session session;
    TrailOptions options;
    LineFile process_lines;
    ProcessTable processes;
    AccessLog log;
    AccessSet accesses;
    LineFile violation_lines;
    std::unique_ptr<Syncer> syncer = std::make_unique<Syncer>();
    std::vector<UniqueFd> unsynced;  // in their places
    TaskBook tasks;
    uint64_t cut_paths = 0;
    unsigned rotations_told = 0;
    bool begun = false;
    bool finished = false;
};

Trail::Trail(Volume volume, Session facts, TrailOptions options)
    : impl_(std::make_unique<Impl>(std::move(volume), std::move(facts), options)) {}
Trail::Trail(Trail&&) noexcept = default;
Trail::~Trail() = default;

Status Trail::begin() {
    Impl& trail = *impl_;
    SPOOR_TRY(trail.volume.clear());
    SPOOR_TRY(trail.process_lines.open());
    trail.session.processes_written = true;
    if (trail.options.write_accesses) SPOOR_TRY(trail.log.open());
    trail.count();
    // The container waits for this, and should not for the disk.
    auto file = make_session_file(trail.volume.trace(), trail.session);
    if (!file) return std::move(file).error();
    auto published = file->publish();
    if (!published) return std::move(published).error();
    trail.unsynced.push_back(std::move(*published));
    SPOOR_TRY(reserve_session_space(trail.volume.trace()));
    trail.begun = true;
    return {};
}

void Trail::on(const ForkEvent& event, uint64_t time_ns) {
    if (!impl_->active()) return;
    impl_->processes.on(event, time_ns);
    impl_->tasks.on(event, time_ns);
}

void Trail::on(const ExecEvent& event, uint64_t time_ns) {
    if (!impl_->active()) return;
    impl_->processes.on(event, time_ns);
    impl_->tasks.on(event, time_ns);
    auto access = [&](Op op, const std::string& path, uint16_t flags = 0) {
        if (path.empty()) return;
        AccessEvent made;
        made.process = event.process;
        made.op = op;
        made.path = path;
        made.flags = flags;
        impl_->access(made, time_ns);
    };
    access(Op::exec, event.script, event.script_flags);
    for (const std::string& interpreter : event.interpreters)
        access(Op::exec, interpreter, flag_lexical | flag_intent);
    access(Op::exec, event.exe, event.exe_flags);
    access(Op::mmap_exec, event.loader);
}

void Trail::on(const ExitEvent& event, uint64_t time_ns) {
    if (!impl_->active()) return;
    impl_->processes.on(event, time_ns);
    impl_->tasks.on(event, time_ns);
}

void Trail::on(const AccessEvent& event, uint64_t time_ns) {
    if (!impl_->active()) return;
    impl_->processes.seen(event.process);
    impl_->access(event, time_ns);
}

void Trail::on(TaskSignal signal, uint64_t time_ns, const SessionLoss& loss) {
    if (!impl_->active()) return;
    impl_->session.loss = loss;
    impl_->tasks.on(std::move(signal), time_ns);
}

bool Trail::will_report(uint64_t now_ns) const { return impl_->active() && impl_->tasks.will_report(now_ns); }

void Trail::tick(uint64_t now_ns, const SessionLoss& loss) {
    Impl& trail = *impl_;
    if (!trail.active()) return;
    trail.session.loss = loss;
    trail.tasks.tick(now_ns);
    if (!trail.listener() || trail.listener()->due_ns() > now_ns) return;
    if (auto told = trail.listener()->tick(now_ns); !told) trail.warn("delivery: " + told.error().message);
}

uint64_t Trail::tasks_due_ns() const {
    if (!impl_->active()) return UINT64_MAX;
    const uint64_t due = impl_->tasks.due_ns();
    return impl_->listener() ? std::min(due, impl_->listener()->due_ns()) : due;
}
std::vector<TaskBook::HostProcess> Trail::take_renewals() { return impl_->tasks.take_renewals(); }
std::vector<TaskBook::HostProcess> Trail::take_kills() { return impl_->tasks.take_kills(); }

bool Trail::wants_refusals() const { return impl_->tasks.wants_refusals(); }
void Trail::refuse_in_place() { impl_->tasks.refuse_in_place(); }
std::vector<TaskBook::Refusals> Trail::take_refusals() { return impl_->tasks.take_refusals(); }
std::vector<TaskBook::Assignment> Trail::take_assignments() { return impl_->tasks.take_assignments(); }
void Trail::assigned(uint64_t now_ns) { impl_->tasks.assigned(now_ns); }

void Trail::flush() {
    Impl& trail = *impl_;
    if (!trail.active()) return;
    const uint64_t now = boot_time_ns();
    trail.processes.flush(now - std::min(now, trail.options.process_line_delay_ns));
    trail.process_lines.flush();
    trail.log.flush();
    trail.sync();
    if (trail.log.rotations() == trail.rotations_told) return;
    // Who follows accesses.jsonl learns from session.json where its beginning went.
    trail.rotations_told = trail.log.rotations();
    trail.count();
    if (auto told = trail.replace_session(); !told)
        add_warning("session.json was not updated: " + told.error().message);
}

bool Trail::unflushed() const {
    return impl_->active() && (impl_->processes.waiting() || !impl_->unsynced.empty());
}

void Trail::add_reason(std::string reason) { add_once(impl_->session.reasons, std::move(reason)); }
void Trail::remove_reason(const std::string& reason) { std::erase(impl_->session.reasons, reason); }
void Trail::add_warning(std::string warning) { impl_->warn(std::move(warning)); }
void Trail::set_ring_bytes(uint32_t bytes) { impl_->session.ring_bytes = bytes; }

Status Trail::checkpoint(const SessionCounters& counters, const SessionLoss& loss) {
    if (!impl_->active()) return {};
    impl_->session.counters = counters;
    impl_->session.loss = loss;
    impl_->count();
    return impl_->replace_session();
}

Status Trail::finish(const SessionCounters& counters, const SessionLoss& loss,
                     std::vector<std::string> reasons, SessionState state) {
    Impl& trail = *impl_;
    if (trail.finished) return {};
    for (std::string& reason : reasons) add_reason(std::move(reason));
    if (!trail.begun) add_reason("the volume could not be used when the session began");
    trail.finished = true;
    trail.session.loss = loss;
    trail.syncer->stop_replacing();
    trail.tasks.finish(boot_time_ns());
    trail.processes.finish();
    trail.process_lines.flush();
    trail.log.flush();
    trail.violation_lines.flush();
    trail.sync();
    trail.session.counters = counters;
    trail.session.state = state;
    trail.session.finished = trail.clock.rfc3339(boot_time_ns());
    trail.count();
    trail.gather_reasons();
    bool reported = false;
    if (trail.volume.tasks() >= 0) {
        auto written = write_report(trail.volume.tasks(), trail.accesses, trail.processes, trail.session);
        reported = static_cast<bool>(written);
        if (!written) add_reason("trace/tasks/-.json: " + written.error().message);
    }
    trail.note_cost();
    if (trail.begun && trail.listener()) {
        auto told = trail.listener()->on_end(trail.session, reported ? trail.volume.tasks() : -1,
                                             task_file_name(container_task) + ".json");
        if (!told) trail.warn("delivery: " + told.error().message);
    }
    release_session_space(trail.volume.trace());
    return write_session(trail.volume.trace(), trail.session);
}

std::unique_ptr<Syncer> Trail::take_syncer() { return std::move(impl_->syncer); }

const Session& Trail::session() const { return impl_->session; }

}  // namespace spoor
