#include "bpf/adoption.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/path_table.h"
#include "bpf/inner_maps.h"
#include "bpf/state.h"

namespace spoor::bpf {
namespace {

template <class Key, class Visit>
void for_each_key(int map, Visit visit) {
    Key key{};
    const Key* previous = nullptr;
    while (bpf_map_get_next_key(map, previous, &key) == 0) {
        visit(key);
        previous = &key;
    }
}

// Deletes the entries for which `doomed(key)` holds; the map may change meanwhile.
template <class Key, class Doomed>
void delete_keys(int map, Doomed doomed) {
    std::vector<Key> keys;
    for_each_key<Key>(map, [&](const Key& key) {
        if (doomed(key)) keys.push_back(key);
    });
    for (const Key& dead : keys) bpf_map_delete_elem(map, &dead);
}

// Values of a map that may be another version's: what is known of them stands at their beginning.
class Values {
public:
    explicit Values(int map) : map_(map) {
        bpf_map_info info{};
        uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(map, &info, &size) == 0) buffer_.resize(info.value_size);
    }

    template <class Key, class Value>
    bool read(const Key& key, Value& value) {
        if (buffer_.empty() || bpf_map_lookup_elem(map_, &key, buffer_.data()) != 0) return false;
        value = {};
        std::memcpy(&value, buffer_.data(), std::min(sizeof value, buffer_.size()));
        return true;
    }

    // The value that was read last, if it is still there.
    template <class Key, class Value>
    void replace(const Key& key, const Value& value) {
        std::memcpy(buffer_.data(), &value, std::min(sizeof value, buffer_.size()));
        bpf_map_update_elem(map_, &key, buffer_.data(), BPF_EXIST);
    }

private:
    int map_;
    std::vector<char> buffer_;
};

// What is forgotten of an inner session is the outer one's again.
template <class Dead>
class Forgetting {
public:
    Forgetting(const SessionMaps& maps, Dead dead) : maps_(maps), dead_(dead), entries_(maps.sessions) {}

    void scopes() {
        std::vector<std::pair<spoor_scope_key, uint64_t>> found;
        for_each_key<spoor_scope_key>(maps_.scopes, [&](const spoor_scope_key& key) {
            uint64_t session = 0;
            if (bpf_map_lookup_elem(maps_.scopes, &key, &session) == 0 && dead_(session))
                found.emplace_back(key, session);
        });
        for (const auto& [key, session] : found) {
            spoor_session entry{};
            // Beneath the outer session's root it needs no entry, but for programs of another version.
            if (maps_.names_children && entries_.read(session, entry) && lives(entry.outer))
                bpf_map_update_elem(maps_.scopes, &key, &entry.outer, BPF_EXIST);
            else
                bpf_map_delete_elem(maps_.scopes, &key);
        }
    }

    // False: some were given back, whose children of just then may have been missed.
    bool processes() {
        bool all = true;
        Values processes(maps_.processes);
        std::vector<uint32_t> keys;
        for_each_key<uint32_t>(maps_.processes, [&keys](uint32_t key) { keys.push_back(key); });
        for (uint32_t key : keys) {
            spoor_process process{};
            if (!processes.read(key, process) || !dead_(process.session)) continue;
            if (!lives(process.outer)) {
                bpf_map_delete_elem(maps_.processes, &key);
                continue;
            }
            process.session = process.outer;
            process.pid = process.outer_pid;
            if (process.outer_number != 0) process.number = process.outer_number;
            process.outer = 0;
            process.refusal = 0;
            process.told_open = 0;
            processes.replace(key, process);
            all = false;
        }
        return all;
    }

private:
    bool lives(uint64_t outer) {
        spoor_session entry{};
        return outer != 0 && !dead_(outer) && entries_.read(outer, entry);
    }

    const SessionMaps& maps_;
    Dead dead_;
    Values entries_;
};

// Of scopes and processes: entries whose session `dead` says.
template <class Dead>
void forget(const SessionMaps& maps, Dead dead) {
    constexpr int rounds_max = 16;
    Forgetting forgetting(maps, dead);
    forgetting.scopes();
    for (int round = 0; round < rounds_max && !forgetting.processes(); ++round) {
    }
}

// The ring of each session. Of two, a killed spoord was changing over from one to the other: it may or
// may not have told the kernel; now the kernel is told.
Result<std::map<uint64_t, uint32_t>> settle_rings(const SessionMaps& maps, const Pins& pins) {
    std::map<uint64_t, uint32_t> rings;
    auto found = ring_pins(pins);
    if (!found) return std::move(found).error();
    std::ranges::sort(*found, {}, &RingPin::bytes);
    for (const RingPin& ring : *found) {
        auto [known, fresh] = rings.emplace(ring.session, ring.bytes);
        if (fresh) continue;
        auto fd = pins.get(name_of(ring));
        if (!fd) return std::move(fd).error();
        const int larger = fd->get();
        if (bpf_map_update_elem(maps.rings, &ring.session, &larger, BPF_ANY) != 0)
            return errno_error("put a grown ring into its map");
        pins.unpin(name_of({ring.session, known->second}));
        known->second = ring.bytes;
    }
    return rings;
}

}  // namespace

bool may_pass(const Error& error) {
    constexpr int passing[] = {ENOMEM, EMFILE, ENFILE, EAGAIN, EINTR, EPERM};
    return std::ranges::find(passing, error.code) != std::end(passing);
}

Result<uint64_t> outer_session_of(const SessionMaps& maps, const ScopeRoot& root, uint32_t uid) {
    const auto scope_of = [&maps, &root](uint64_t cgroup_id) {
        const spoor_scope_key key{cgroup_id, root.hierarchy, 0};
        uint64_t session = 0;
        return bpf_map_lookup_elem(maps.scopes, &key, &session) == 0 ? session : 0;
    };
    uint64_t outer = 0;
    for (size_t i = 0; outer == 0 && i < root.above.size(); ++i) outer = scope_of(root.above[i]);
    spoor_session entry{};
    spoor_owner owner{};
    const bool own = scope_of(root.cgroup_id) != 0;
    if (outer == 0 && !own) return outer;
    const bool known = Values(maps.sessions).read(outer, entry) && Values(maps.owners).read(outer, owner);
    if (own || !known || entry.outer != 0 || (uid != 0 && uid != owner.uid))
        return errno_error("enter the cgroup", EEXIST);
    return outer;
}

Result<spoor_counters> counters_of(const SessionMaps& maps, uint64_t session) {
    spoor_session entry{};
    if (!Values(maps.sessions).read(session, entry)) return errno_error("read the counters");
    return entry.counters;
}

Result<spoor_counters> stop_session(const SessionMaps& maps, uint64_t session) {
    spoor_session entry{};
    if (!Values(maps.sessions).read(session, entry)) return errno_error("read the session");
    const spoor_scope_key key{entry.root_cgroup_id, entry.root_hierarchy, 0};
    uint64_t owner = 0;
    // A cgroup can be removed only when no process is left in it, so nothing is under way either.
    const bool running = bpf_map_lookup_elem(maps.scopes, &key, &owner) == 0 && owner == session;
    forget(maps, [session](uint64_t other) { return other == session; });
    if (running) bpf_map_delete_elem(maps.rings, &session);  // waits
    return counters_of(maps, session);
}

Result<UniqueFd> grow_ring(const SessionMaps& maps, const Pins* pins, uint64_t session, uint32_t before,
                           uint32_t bytes) {
    auto ring = make_ring(bytes);
    if (!ring) return ring;
    const RingPin larger{session, bytes};
    if (pins) SPOOR_TRY(pins->pin(name_of(larger), ring->get()));
    if (auto placed = put_inner_maps(maps.rings, {{session, ring->get()}}); !placed) {
        if (pins) pins->unpin(name_of(larger));
        return std::move(placed).error();
    }
    if (pins) pins->unpin(name_of(RingPin{session, before}));
    return ring;
}

Result<Inventory> take_inventory(const SessionMaps& maps, const Pins& pins) {
    auto rings = settle_rings(maps, pins);
    if (!rings) return std::move(rings).error();
    Inventory inventory;
    std::set<uint64_t> live;
    Values entries(maps.sessions), owners(maps.owners);
    const auto numbered = [&inventory](uint64_t session) {
        inventory.next_session = std::max(inventory.next_session, session + 1);
    };
    for (int map : {maps.rings, maps.seen}) for_each_key<uint64_t>(map, numbered);
    for_each_key<uint64_t>(maps.sessions, [&](uint64_t session) {
        numbered(session);
        spoor_session entry{};
        spoor_owner owner{};
        const auto ring = rings->find(session);
        if (ring == rings->end() || !entries.read(session, entry) || !owners.read(session, owner)) return;
        live.insert(session);
        Tracer::Adopted adopted;
        adopted.session = session;
        adopted.owner.uid = owner.uid;
        adopted.owner.gid = owner.gid;
        adopted.owner.token = {owner.token[0], owner.token[1]};
        adopted.owner.container_id.assign(owner.container_id,
                                          ::strnlen(owner.container_id, sizeof owner.container_id));
        adopted.owner.cgroup.assign(owner.cgroup, ::strnlen(owner.cgroup, sizeof owner.cgroup));
        adopted.cgroup_id = entry.root_cgroup_id;
        adopted.sizes = {ring->second, owner.seen_entries};
        uint32_t window = 0;  // the number of the map
        if (maps.windows >= 0 && bpf_map_lookup_elem(maps.windows, &session, &window) == 0)
            adopted.window_bytes = SPOOR_WINDOW_BYTES;
        adopted.abi_version = pins.abi_version();
        inventory.sessions.push_back(std::move(adopted));
    });
    const auto dead = [&live](uint64_t session) { return !live.contains(session); };
    forget(maps, dead);
    for (int map : {maps.sessions, maps.owners, maps.task_keys, maps.rings, maps.seen, maps.windows})
        if (map >= 0) delete_keys<uint64_t>(map, dead);
    for (const auto& [session, bytes] : *rings)
        if (dead(session)) pins.unpin(name_of({session, bytes}));
    return inventory;
}

}  // namespace spoor::bpf
