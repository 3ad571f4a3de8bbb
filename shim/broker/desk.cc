#include "shim/broker/desk.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace spoor::broker {
namespace {

// Printable ASCII only, for the log.
std::string printable(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace

const char* name_of(Code code) {
    switch (code) {
        case Code::ok:
            return "ok";
        case Code::bad_request:
            return "bad_request";
        case Code::bad_version:
            return "bad_version";
        case Code::not_a_cgroup:
            return "not_a_cgroup";
        case Code::not_owner:
            return "not_owner";
        case Code::already_traced:
            return "already_traced";
        case Code::quota:
            return "quota";
        case Code::unavailable:
            return "unavailable";
        case Code::bad_process:
            return "bad_process";
        case Code::no_session:
            return "no_session";
        case Code::mode:
            return "mode";
    }
    return "unknown";
}

const char* name_of(Request request) {
    switch (request) {
        case Request::hello:
            return "hello";
        case Request::arm:
            return "arm";
        case Request::stats:
            return "stats";
        case Request::grow:
            return "grow";
        case Request::disarm:
            return "disarm";
        case Request::renew:
            return "renew";
        case Request::resume:
            return "resume";
        case Request::list:
            return "list";
        case Request::window:
            return "window";
        case Request::assign:
            return "assign";
    }
    return "invalid";
}

spoor_counters more_than(const spoor_counters& before, const spoor_counters& now) {
    spoor_counters more = now;
    more.emitted -= before.emitted;
    more.lost_ring_full -= before.lost_ring_full;
    more.lost_scratch -= before.lost_scratch;
    more.lost_processes -= before.lost_processes;
    more.lost_fault -= before.lost_fault;
    more.lost_scopes -= before.lost_scopes;
    more.refused -= before.refused;
    return more;
}

AuditEvent Desk::about(const char* event, const Subject& subject) const {
    AuditEvent about;
    about.event = event;
    about.uid = subject.peer.uid;
    about.gid = subject.peer.gid;
    about.pid = static_cast<uint32_t>(subject.peer.pid);
    about.tenant = ledger_.rule_for(subject.tenant).name;
    if (!subject.container.empty()) about.container = subject.container;
    about.cgroup_id = subject.cgroup_id;
    about.cgroup = subject.tenant.cgroup;
    if (subject.session != 0) about.session = subject.session;
    about.ring_bytes = subject.ring_bytes;
    about.mode = subject.mode;
    return about;
}

void Desk::asked(Request request) {
    if (metrics_) metrics_->request(name_of(request));
}

void Desk::refused(const Subject& subject, const char* request, Code code, const std::string& text) {
    refused(subject, request, name_of(code), nullptr, text, false);
}

void Desk::refused(const Subject& subject, const char* request, const Overrun& overrun) {
    refused(subject, request, name_of(Code::quota), to_string(overrun.limit), overrun.text, overrun.again);
}

// A flood over the limit of requests is counted, and told once a second.
void Desk::refused(const Subject& subject, const char* request, const char* code, const char* limit,
                   const std::string& text, bool again) {
    const std::string& tenant = ledger_.rule_for(subject.tenant).name;
    if (metrics_) metrics_->refused(tenant, limit ? std::string(code) + "_" + limit : code);
    if (again) return;
    spdlog::warn("refused uid {} pid {}: {}", subject.peer.uid, subject.peer.pid, text);
    if (!audit_) return;
    AuditEvent event = about("request", subject);
    event.request = request ? request : "connect";
    event.granted = false;
    event.code = code;
    event.limit = limit;
    event.reason = text;
    audit_->tell(event);
}

void Desk::runs(const Subject& subject) {
    running_[subject.cgroup_id] = {subject.session, subject.peer.uid, subject.container, subject.ring_bytes};
}

const std::pair<const uint64_t, Desk::Running>* Desk::next_running(uint64_t after, uid_t who) const {
    for (auto next = running_.upper_bound(after); next != running_.end(); ++next)
        if (who == 0 || next->second.uid == who) return &*next;
    return nullptr;
}

void Desk::granted(const Subject& subject, std::chrono::nanoseconds took) {
    runs(subject);
    spdlog::info("session {} of uid {} pid {}: container {}, cgroup {}, ring {} bytes", subject.session,
                 subject.peer.uid, subject.peer.pid, printable(subject.container), subject.cgroup_id,
                 subject.ring_bytes);
    if (metrics_) {
        metrics_->granted(ledger_.rule_for(subject.tenant).name);
        metrics_->armed_in(took);
        metrics_->accounts(ledger_.in_use());
    }
    if (!audit_) return;
    AuditEvent event = about("request", subject);
    event.request = name_of(Request::arm);
    event.granted = true;
    audit_->tell(event);
}

void Desk::grown(const Subject& subject) {
    runs(subject);
    if (metrics_) {
        metrics_->grown(ledger_.rule_for(subject.tenant).name);
        metrics_->accounts(ledger_.in_use());
    }
    if (!audit_) return;
    AuditEvent event = about("request", subject);
    event.request = name_of(Request::grow);
    event.granted = true;
    audit_->tell(event);
}

void Desk::resumed(const Subject& subject) {
    runs(subject);
    spdlog::info("session {} of uid {} pid {} goes on: container {}", subject.session, subject.peer.uid,
                 subject.peer.pid, printable(subject.container));
    if (metrics_) metrics_->accounts(ledger_.in_use());
    if (!audit_) return;
    AuditEvent event = about("request", subject);
    event.request = name_of(Request::resume);
    event.granted = true;
    audit_->tell(event);
}

void Desk::ended(const Subject& subject, const char* why, std::chrono::nanoseconds lasted,
                 const spoor_counters* counters) {
    // On v1 two hierarchies may use a number each.
    if (auto known = running_.find(subject.cgroup_id);
        known != running_.end() && known->second.session == subject.session)
        running_.erase(known);
    spdlog::info("session {} of uid {} ended ({}): container {}, {} events", subject.session,
                 subject.peer.uid, why, printable(subject.container), counters ? counters->emitted : 0);
    if (metrics_) metrics_->accounts(ledger_.in_use());
    if (!audit_) return;
    AuditEvent event = about("end", subject);
    event.reason = why;
    event.seconds = std::chrono::duration<double>(lasted).count();
    event.counters = counters;
    audit_->tell(event);
}

void Desk::accounts() {
    if (metrics_) metrics_->accounts(ledger_.in_use());
}

void Desk::connections(size_t open) {
    if (metrics_) metrics_->connections(open);
}

void Desk::records(const spoor_counters& more) {
    if (metrics_) metrics_->records(more);
}

void Desk::told(const char* event, bool good, const std::string& text) {
    if (metrics_ && std::string_view(event) == "reload") {
        metrics_->reloaded(good);
        metrics_->accounts(ledger_.in_use());
    }
    if (!audit_) return;
    AuditEvent about;
    about.event = event;
    if (std::string_view(event) == "reload") about.granted = good;
    about.reason = text;
    audit_->tell(about);
}

void Desk::reopen() {
    if (audit_) audit_->reopen();
}

void Desk::tick() {
    if (metrics_ && audit_) metrics_->audit_lost(audit_->lost());
}

}  // namespace spoor::broker
