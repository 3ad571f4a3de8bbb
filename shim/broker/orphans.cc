#include "shim/broker/orphans.h"

#include <algorithm>
#include <utility>

namespace spoor::broker {
namespace {

// In a time that does not tell how much of it is right.
bool same(const std::array<uint64_t, 2>& a, const std::array<uint64_t, 2>& b) {
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

}  // namespace

Orphans::Orphans(bpf::Tracer& tracer, Desk& desk, Time deadline)
    : tracer_(tracer),
      desk_(desk),
      adopted_(std::chrono::steady_clock::now()),
      waiting_(tracer.adopted()),
      deadline_(deadline) {}

std::optional<bpf::Tracer::Adopted> Orphans::claim(uid_t uid, const std::array<uint64_t, 2>& token) {
    if (same(token, {})) return std::nullopt;
    const auto found = std::ranges::find_if(waiting_, [&](const bpf::Tracer::Adopted& session) {
        return session.owner.uid == uid && same(session.owner.token, token);
    });
    if (found == waiting_.end()) return std::nullopt;
    bpf::Tracer::Adopted session = std::move(*found);
    waiting_.erase(found);
    return session;
}

bool Orphans::supersede(uid_t uid, uint64_t cgroup_id) {
    const auto found = std::ranges::find_if(waiting_, [&](const bpf::Tracer::Adopted& session) {
        return session.owner.uid == uid && session.cgroup_id == cgroup_id;
    });
    if (found == waiting_.end()) return false;
    end(*found, "its cgroup is asked for anew");
    waiting_.erase(found);
    return true;
}

void Orphans::collect(Time now) {
    if (now < deadline_) return;
    for (const auto& session : std::exchange(waiting_, {})) end(session, "nobody resumed it");
}

std::optional<Orphans::Time> Orphans::due() const {
    return waiting_.empty() ? std::nullopt : std::optional(deadline_);
}

void Orphans::end(const bpf::Tracer::Adopted& session, const char* why) {
    auto counters = tracer_.stop(session.session);
    tracer_.release(session.session);
    Subject subject;
    subject.peer.uid = session.owner.uid;
    subject.peer.gid = session.owner.gid;
    subject.tenant = {session.owner.uid, {session.owner.gid}, session.owner.cgroup};
    subject.container = session.owner.container_id;
    subject.cgroup_id = session.cgroup_id;
    subject.session = session.session;
    subject.ring_bytes = session.sizes.ring_bytes;
    desk_.ended(subject, why, std::chrono::steady_clock::now() - adopted_, counters ? &*counters : nullptr);
}

}  // namespace spoor::broker
