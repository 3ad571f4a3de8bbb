#include "shim/broker/orphans.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/epoll.h"

namespace spoor::broker {
namespace {

// Longer than it takes to notice that there was no answer, and to ask again.
constexpr std::chrono::seconds living_recorder_wait{10};

// In a time that does not tell how much of it is right.
bool same(const std::array<uint64_t, 2>& a, const std::array<uint64_t, 2>& b) {
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

}  // namespace

Orphans::Orphans(bpf::Tracer& tracer, Desk& desk, Time deadline, int epoll)
    : tracer_(tracer), desk_(desk), epoll_(epoll) {
    for (const bpf::Tracer::Adopted& session : tracer.adopted()) {
        Orphan& orphan = waiting_.emplace_back();
        orphan.session = session;
        Subject& subject = orphan.subject;
        subject.peer.uid = session.owner.uid;
        subject.peer.gid = session.owner.gid;
        subject.tenant = {session.owner.uid, {session.owner.gid}, session.owner.cgroup};
        subject.container = session.owner.container_id;
        subject.cgroup_id = session.cgroup_id;
        subject.session = session.session;
        subject.ring_bytes = session.sizes.ring_bytes;
        orphan.since = std::chrono::steady_clock::now();
        orphan.deadline = deadline;
    }
}

void Orphans::add(Orphan orphan) {
    (void)watch(epoll_, orphan.recorder.get());
    orphan.deadline = std::chrono::steady_clock::now() + living_recorder_wait;
    waiting_.push_back(std::move(orphan));
}

bool Orphans::owns(int fd) const {
    return std::ranges::any_of(waiting_, [fd](const Orphan& one) { return one.recorder.get() == fd; });
}

// What epoll told of may have been another descriptor of this number.
void Orphans::serve(int fd) {
    pollfd recorder{fd, POLLIN, 0};
    if (::poll(&recorder, 1, 0) <= 0) return;
    const auto found =
        std::ranges::find_if(waiting_, [fd](const Orphan& one) { return one.recorder.get() == fd; });
    end(*found, "its recorder ended");
    waiting_.erase(found);
}

std::optional<Orphans::Orphan> Orphans::claim(uid_t uid, const std::array<uint64_t, 2>& token) {
    if (same(token, {})) return std::nullopt;
    const auto found = std::ranges::find_if(waiting_, [&](const Orphan& one) {
        return one.session.owner.uid == uid && same(one.session.owner.token, token);
    });
    if (found == waiting_.end()) return std::nullopt;
    Orphan orphan = std::move(*found);
    waiting_.erase(found);
    return orphan;
}

bool Orphans::supersede(uid_t uid, uint64_t cgroup_id) {
    const auto found = std::ranges::find_if(waiting_, [&](const Orphan& one) {
        return one.session.owner.uid == uid && one.session.cgroup_id == cgroup_id;
    });
    if (found == waiting_.end()) return false;
    end(*found, "its cgroup is asked for anew");
    waiting_.erase(found);
    return true;
}

void Orphans::collect(Time now) {
    for (size_t i = 0; i < waiting_.size();) {
        if (now < waiting_[i].deadline) {
            ++i;
            continue;
        }
        end(waiting_[i], "nobody resumed it");
        waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(i));
    }
}

std::optional<Orphans::Time> Orphans::due() const {
    if (waiting_.empty()) return std::nullopt;
    return std::ranges::min_element(waiting_, {}, &Orphan::deadline)->deadline;
}

void Orphans::end(Orphan& orphan, const char* why) {
    const uint64_t session = orphan.session.session;
    auto counters = tracer_.stop(session);
    tracer_.release(session);
    orphan.holding.reset();
    if (orphan.ended) return desk_.accounts();
    if (counters && orphan.recorder) desk_.records(more_than(orphan.counted, *counters));
    desk_.ended(orphan.subject, why, std::chrono::steady_clock::now() - orphan.since,
                counters ? &*counters : nullptr);
}

}  // namespace spoor::broker
