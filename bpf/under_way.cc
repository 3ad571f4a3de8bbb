#include "bpf/under_way.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "bpf/state.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// Values are of 8 KiB, so few are looked at at once. More if a bucket of the hash has more.
constexpr uint32_t batch_least = 8;
constexpr uint32_t batch_most = 4096;

// Removes the entries whose value begins with the number of an ended session, and says how many they were.
// Walks by bucket: by keys (BPF_MAP_GET_NEXT_KEY) a walk begins anew at each key that has gone meanwhile.
uint64_t remove_of(int map, const std::function<bool(uint64_t)>& ended) {
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(map, &info, &size) != 0 || info.value_size < sizeof(uint64_t)) return 0;
    uint64_t removed = 0;
    uint32_t place = 0;
    bool begun = false;
    std::vector<char> keys, values;
    for (uint32_t batch = batch_least; batch <= batch_most;) {
        keys.resize(size_t{batch} * info.key_size);
        values.resize(size_t{batch} * info.value_size);
        uint32_t count = batch, next = 0;
        const int error = bpf_map_lookup_batch(map, begun ? &place : nullptr, &next, keys.data(),
                                               values.data(), &count, nullptr);
        if (error != 0 && errno == ENOSPC) {
            batch *= 2;
            continue;
        }
        if (error != 0 && errno != ENOENT) return removed;
        for (uint32_t i = 0; i < count; ++i) {
            uint64_t session = 0;
            std::memcpy(&session, &values[size_t{i} * info.value_size], sizeof session);
            if (ended(session) && bpf_map_delete_elem(map, &keys[size_t{i} * info.key_size]) == 0) ++removed;
        }
        if (error != 0) return removed;  // that was the end
        place = next;
        begun = true;
    }
    return removed;
}

}  // namespace

void forget_under_way(const spoor_bpf* skeleton, const std::function<bool(uint64_t)>& ended) {
    const auto& maps = skeleton->maps;
    remove_of(bpf_map__fd(maps.entry_bases), ended);
    remove_of(bpf_map__fd(maps.notes), ended);
    const uint64_t more = remove_of(bpf_map__fd(maps.uring_requests), ended);
    if (more == 0) return;
    const int counts = bpf_map__fd(maps.uring_counts);
    const uint32_t key = SPOOR_URING_REMOVED;
    uint64_t removed = 0;
    if (bpf_map_lookup_elem(counts, &key, &removed) != 0) return;
    removed += more;
    bpf_map_update_elem(counts, &key, &removed, BPF_ANY);
}

}  // namespace spoor::bpf
