#include "shim/recorder/outbox.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/random.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/url.h"
#include "signal/task_signal.h"

namespace spoor {
namespace {

constexpr uint64_t logs_delay_ns = 1'000'000'000;
constexpr size_t logs_records_max = 512;
constexpr size_t logs_bytes_max = 512 * 1024;  // collectors take a few MiB

std::string random_id() {
    std::array<uint64_t, 2> words{};
    if (::getrandom(words.data(), sizeof words, 0) != sizeof words) words = {boot_time_ns(), 0};
    std::array<char, 33> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(words[0]),
                  static_cast<unsigned long long>(words[1]));
    return text.data();
}

// Keeps the first error: what comes after it is tried all the same.
void keep(Status& first, Status next) {
    if (first && !next) first = std::move(next);
}

// Detached: a session of its own, no descriptor and no blocked signal of ours. The error is execve's.
Result<pid_t> start(const std::string& program, const std::string& spool) {
    std::array<std::string, 3> words = {program, "--spool", spool};
    std::array<char*, 4> arguments = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    std::array<std::string, 2> variables = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
    std::array<char*, 3> environment = {variables[0].data(), variables[1].data(), nullptr};

    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    int code = 0;
    for (int fd = 0; fd < 3 && code == 0; ++fd)
        code = ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    if (code == 0) code = ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    pid_t pid = 0;
    if (code == 0)
        code =
            ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (code != 0) return errno_error(program, code);
    return pid;
}

}  // namespace

std::shared_ptr<Outbox> Outbox::make(const DeliverySettings& settings, const std::string& container_id,
                                     const std::string& image) {
    if (!settings.on()) return nullptr;
    return std::shared_ptr<Outbox>(new Outbox(settings, container_id, image, random_id()));
}

Status Outbox::tell_untraced(const DeliverySettings& settings, Session session, const std::string& reason) {
    const auto outbox = make(settings, session.container_id, session.image);
    if (!outbox) return {};
    session.family = "none";
    session.state = SessionState::untraced;
    session.reasons = {reason};
    return outbox->on_end(session, -1, "");
}

Outbox::Outbox(const DeliverySettings& settings, const std::string& container_id, const std::string& image,
               const std::string& session)
    : settings_(settings),
      container_id_(container_id),
      session_(session),
      logs_(session, container_id, image) {}

Outbox::~Outbox() = default;

Status Outbox::open_spool() {
    if (spool_) return {};
    auto spool = Spool::open(settings_.spool);
    if (!spool) return std::move(spool).error();
    SPOOR_TRY(spool->set_settings(settings_));
    spool_.emplace(std::move(*spool));
    return {};
}

void Outbox::on_violation(const Task& task, const Violation& violation, const std::string& pattern) {
    if (!logging()) return;
    logs_.violation(task, violation, pattern);
    expect_logs();
}

void Outbox::expect_logs() {
    const uint64_t now = boot_time_ns();
    const bool full = logs_.records() >= logs_records_max || logs_.bytes() >= logs_bytes_max;
    logs_due_ns_ = std::min(logs_due_ns_, full ? now : now + logs_delay_ns);
}

Status Outbox::put_logs() {
    logs_due_ns_ = UINT64_MAX;
    if (logs_.records() == 0) return {};
    SpoolItem item;
    item.kind = DeliveryKind::logs;
    item.key = session_ + "-logs-" + std::to_string(++batches_);
    item.session = session_;
    item.container_id = container_id_;
    const std::string request = logs_.take();
    SPOOR_TRY(open_spool());
    return spool_->put(std::move(item), request, {settings_.spool_bytes_max, settings_.max_age_ms});
}

Status Outbox::tick(uint64_t) {
    Status done = put_logs();
    keep(done, wake_deliverer());
    return done;
}

Status Outbox::put_report(const std::string& task_id, const std::string& put_url, int tasks,
                          const std::string& file) {
    ++reports_;
    SpoolItem item;
    item.session = session_;
    item.container_id = container_id_;
    item.task_id = task_id;
    const auto put = [&](DeliveryKind kind) -> Status {
        item.kind = kind;
        item.key = session_ + "-" + std::to_string(reports_) + "-" + std::string(name_of(kind));
        SPOOR_TRY(open_spool());
        const auto report = open_at(tasks, file, O_RDONLY);
        if (!report) return report.error();
        return spool_->put(item, report->get(), {settings_.spool_bytes_max, settings_.max_age_ms});
    };
    Status done;
    if (!settings_.endpoint.empty()) keep(done, put(DeliveryKind::report));
    bool raw = !settings_.mint.empty();
    if (!put_url.empty()) {
        const auto url = parse_http_url(put_url);
        const bool allowed = url && (url->tls || url->is_loopback()) &&
                             std::any_of(settings_.put_hosts.begin(), settings_.put_hosts.end(),
                                         [&](const std::string& host) { return host_matches(*url, host); });
        if (allowed)
            item.url = put_url;
        else
            keep(done, Error{EPERM, shown_url(put_url) +
                                        ", which its putUrl names, is not allowed (delivery.put.hosts)"});
        raw = raw || allowed;
    }
    if (raw) keep(done, put(DeliveryKind::raw));
    return done;
}

Status Outbox::on_task_report(const Task& task, TaskEnd end, uint64_t end_ns, bool complete, int tasks,
                              const std::string& file) {
    Status done = put_report(*task.id, task.put_url, tasks, file);
    if (logging()) {
        logs_.task_end(task, end, end_ns, complete);
        expect_logs();
    }
    keep(done, wake_deliverer());
    return done;
}

Status Outbox::on_end(const Session& session, int tasks, const std::string& file) {
    if (session.processes == 0 && session.complete()) return {};
    Status done;
    if (tasks >= 0) done = put_report(container_task, "", tasks, file);
    if (logging()) logs_.session_end(session, boot_time_ns());
    keep(done, put_logs());
    keep(done, wake_deliverer());
    return done;
}

// A recorder that finds the lock taken may rely on its owner, and one that takes it starts another: see
// may_end() in spoor-deliver.
Status Outbox::wake_deliverer() {
    if (!spool_) return {};
    std::erase_if(deliverers_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
    {
        const auto lock = spool_->lock();
        if (!lock && lock.error().code == EBUSY) return {};
        if (!lock) return lock.error();
    }
    auto started = start(settings_.program, spool_->path());
    if (!started) return Error{started.error().code, "what is spooled waits: " + started.error().message};
    deliverers_.push_back(*started);
    return {};
}

}  // namespace spoor
