#include "shim/broker/orphans.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace spoor::broker {
namespace {

// In a time that does not tell how much of it is right.
bool same(const std::array<uint64_t, 2>& a, const std::array<uint64_t, 2>& b) {
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

}  // namespace

Orphans::Orphans(bpf::Tracer& tracer, Time deadline)
    : tracer_(tracer), waiting_(tracer.adopted()), deadline_(deadline) {}

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
    spdlog::info("session {} of uid {} ended, {}: container {}, {} events", session.session,
                 session.owner.uid, why, session.owner.container_id, counters ? counters->emitted : 0);
}

}  // namespace spoor::broker
