#include "shim/recorder/arming.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/epoll.h"
#include "base/process.h"
#include "shim/recorder/container_process.h"

namespace spoor {
namespace {

using std::chrono::steady_clock;

// Of a pidfd: the process has ended. Of a connection: an answer is there, or its end.
bool is_ready(int fd) {
    pollfd item{fd, POLLIN, 0};
    return ::poll(&item, 1, 0) != 0;
}

bool is_in(int cgroup, pid_t pid) {
    const auto processes = processes_in(cgroup);
    return std::ranges::find(processes, pid) != processes.end();
}

}  // namespace

Arming::Arming(const Job& job, const SessionEnvironment& environment, std::optional<broker::Client>& broker)
    : job_(job), environment_(environment), broker_(broker), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Arming::begin() {
    if (!broker_ || job_.cgroup.empty() || environment_.cgroups.empty()) return;
    auto watch =
        CgroupWatch::begin(epoll_.get(), environment_.cgroups + job_.cgroup, environment_.is_container_init);
    if (!watch) return;
    watch_.emplace(std::move(*watch));
    watching_ = true;
    step();
}

void Arming::stop_watching() {
    if (std::exchange(watching_, false)) watch_->stop();
}

void Arming::step() {
    if (watching_) {
        if (const auto pid = watch_->look()) ask_early(*pid);
    } else if (early_ && !early_->answer && is_ready(broker_->fd())) {
        take_answer(steady_clock::now());
    }
}

void Arming::ask_early(pid_t pid) {
    stop_watching();
    UniqueFd cgroup = watch_->take_directory();
    auto pidfd = open_pidfd(pid);
    // Still: the number may be another process's by now.
    if (!pidfd || !is_in(cgroup.get(), pid)) return;
    if (!begin_arm_for(*broker_, job_, cgroup.get(), pidfd->get())) return;
    if (!watch(epoll_.get(), broker_->fd())) return broker_->close();
    early_.emplace(Early{pid, std::move(*pidfd), std::move(cgroup), std::nullopt});
}

void Arming::take_answer(broker::Deadline deadline) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, broker_->fd(), nullptr);
    early_->answer.emplace(map(broker_->finish_arm(deadline)));
}

// Nothing: spoord has to be asked, on a new connection if this one is in use.
std::optional<Result<Ring>> Arming::take_early(pid_t pid, UniqueFd& cgroup, broker::Deadline deadline) {
    stop_watching();
    if (!early_) return std::nullopt;
    const bool asked_for =
        pid == early_->pid && !is_ready(early_->pidfd.get()) && is_in(early_->cgroup.get(), pid);
    // spoord never speaks first: it has gone since.
    if (!asked_for || (early_->answer && *early_->answer && is_ready(broker_->fd()))) {
        hang_up();
        return std::nullopt;
    }
    if (!early_->answer) take_answer(deadline);
    Early early = std::move(*early_);
    early_.reset();
    if (!*early.answer && !broker_->connected() && early.answer->error().code != ETIMEDOUT)
        return std::nullopt;
    was_early_ = true;
    cgroup = std::move(early.cgroup);
    return std::move(early.answer);
}

void Arming::hang_up() {
    early_.reset();
    broker_->close();
}

void Arming::give_up() {
    stop_watching();
    if (early_) hang_up();
    watch_.reset();
}

UniqueFd Arming::take_inotify() {
    stop_watching();
    return watch_ ? watch_->take_inotify() : UniqueFd();
}

Result<Ring> Arming::arm(pid_t pid, int pidfd, UniqueFd& cgroup) {
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(job_.setup_deadline_ms);
    if (auto early = take_early(pid, cgroup, deadline)) return std::move(*early);
    auto found = environment_.find_cgroup(pid);
    if (!found) return std::move(found).error().context("find the container's cgroup");
    cgroup = std::move(found->dir);
    return map(ask(cgroup.get(), pidfd, deadline));
}

Result<broker::GrantedRing> Arming::ask(int cgroup, int pidfd, broker::Deadline deadline) {
    const auto arm = [&]() -> Result<broker::GrantedRing> {
        SPOOR_TRY(begin_arm_for(*broker_, job_, cgroup, pidfd));
        return broker_->finish_arm(deadline);
    };
    auto granted = arm();
    if (granted || broker_->connected() || granted.error().code == ETIMEDOUT) return granted;
    // spoord was restarted since the container's set-up began.
    auto again = environment_.connect_broker(job_, deadline);
    if (!again) return std::move(again).error();
    *broker_ = std::move(*again);
    return arm();
}

Result<Ring> Arming::map(Result<broker::GrantedRing> granted) {
    if (!granted) return std::move(granted).error();
    auto ring = environment_.open_ring(std::move(granted->fd), granted->bytes);
    if (!ring) broker_->close();
    return ring;
}

}  // namespace spoor
