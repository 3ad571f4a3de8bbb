#include "bpf/inner_maps.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <string>

#include "base/path_table.h"
#include "bpf/state.h"

namespace spoor::bpf {

Result<UniqueFd> make_ring(uint32_t bytes) {
    UniqueFd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "spoor_ring", 0, 0, bytes, nullptr));
    if (!ring) return errno_error("create a ring of " + std::to_string(bytes) + " bytes");
    return ring;
}

// As struct seen_table in maps.bpf.h.
Result<UniqueFd> make_seen_table(uint32_t entries) {
    constexpr uint32_t entry_bytes = 16;
    const uint32_t sets = entries / SPOOR_SEEN_WAYS;
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_INNER_MAP;
    UniqueFd table(bpf_map_create(BPF_MAP_TYPE_ARRAY, "spoor_seen", sizeof(uint32_t),
                                  SPOOR_SEEN_WAYS * entry_bytes, sets + SPOOR_OPEN_SETS(sets), &options));
    if (!table) return errno_error("create a dedupe table of " + std::to_string(entries) + " entries");
    return table;
}

Result<UniqueFd> put_window(int outer, uint64_t session) {
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE;
    UniqueFd window(bpf_map_create(BPF_MAP_TYPE_ARRAY, "spoor_window", sizeof(uint32_t), SPOOR_WINDOW_BYTES,
                                   1, &options));
    if (!window) return errno_error("create a window");
    SPOOR_TRY(put_inner_maps(outer, {{session, window.get()}}));
    return window;
}

Status put_inner_maps(int outer, const std::vector<InnerMap>& maps) {
    std::vector<uint64_t> sessions;
    std::vector<int> fds;
    for (const InnerMap& map : maps) {
        sessions.push_back(map.session);
        fds.push_back(map.fd);
    }
    auto count = static_cast<uint32_t>(maps.size());
    // Before Linux 5.19 maps of maps take no batches, and before 6.8 a batch does not wait.
    if (maps.size() > 1 && bpf_map_update_batch(outer, sessions.data(), fds.data(), &count, nullptr) == 0)
        return {};
    for (const InnerMap& map : maps)
        if (bpf_map_update_elem(outer, &map.session, &map.fd, BPF_ANY) != 0)
            return errno_error("put a map into the map of maps");
    return {};
}

void drop_inner_maps(int outer, const std::vector<uint64_t>& sessions) {
    auto count = static_cast<uint32_t>(sessions.size());
    if (sessions.size() > 1 && bpf_map_delete_batch(outer, sessions.data(), &count, nullptr) == 0) return;
    for (uint64_t session : sessions) bpf_map_delete_elem(outer, &session);
}

}  // namespace spoor::bpf
