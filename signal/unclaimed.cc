#include "signal/unclaimed.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace spoor {
namespace {

uint64_t fingerprint(ProcessKey key) { return key.start_ns ^ static_cast<uint64_t>(key.pid) << 42; }

}  // namespace

void Unclaimed::add(const AccessEvent& event, uint64_t time_ns) {
    const bool two = event.op == Op::rename || event.op == Op::link;
    Entry entry{.time_ns = time_ns,
                .process = event.process,
                .path = paths_.intern(event.path),
                .to = two ? paths_.intern(event.to) : 0,
                .flags = event.flags,
                .error = static_cast<uint16_t>(event.error),
                .op = event.op};
    if (most_ == 0 || entry.path == 0 || (two && entry.to == 0)) {
        forgotten_.insert(fingerprint(event.process));
        return;
    }
    if (entries_.size() >= most_) {
        if (entries_.front().process.pid != 0) forgotten_.insert(fingerprint(entries_.front().process));
        entries_.pop_front();
    }
    entries_.push_back(entry);
}

std::deque<TimedAccess> Unclaimed::take(const std::vector<ProcessKey>& processes) {
    std::deque<TimedAccess> taken;
    std::vector<uint64_t> whose;
    uint64_t earliest = std::numeric_limits<uint64_t>::max();
    for (ProcessKey process : processes) {
        whose.push_back(fingerprint(process));
        earliest = std::min(earliest, process.start_ns);
    }
    std::sort(whose.begin(), whose.end());
    // Nobody did anything before the first of them was there.
    for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->time_ns >= earliest; ++entry) {
        if (entry->process.pid == 0 ||
            !std::binary_search(whose.begin(), whose.end(), fingerprint(entry->process)))
            continue;
        AccessEvent event;
        event.process = entry->process;
        event.op = entry->op;
        event.flags = entry->flags;
        event.error = entry->error;
        event.path = paths_.path(entry->path);
        if (entry->to != 0) event.to = paths_.path(entry->to);
        taken.push_front({std::move(event), entry->time_ns});
        entry->process.pid = 0;
    }
    return taken;
}

bool Unclaimed::has_forgotten(ProcessKey process) const { return forgotten_.contains(fingerprint(process)); }

}  // namespace spoor
