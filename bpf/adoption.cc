#include "bpf/adoption.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

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

// Of scopes and processes: entries whose session `dead` says.
template <class Dead>
void forget(const SessionMaps& maps, Dead dead) {
    delete_keys<spoor_scope_key>(maps.scopes, [&](const spoor_scope_key& key) {
        uint64_t session = 0;
        return bpf_map_lookup_elem(maps.scopes, &key, &session) == 0 && dead(session);
    });
    delete_keys<uint32_t>(maps.processes, [&](uint32_t key) {
        spoor_process process{};
        return bpf_map_lookup_elem(maps.processes, &key, &process) == 0 && dead(process.session);
    });
}

// The ring of each session. Of two, a killed spoord was changing over from one to the other: it may or
// may not have told the kernel; now the kernel is told.
Result<std::map<uint64_t, uint32_t>> settle_rings(const SessionMaps& maps, const Pins& pins) {
    std::map<uint64_t, uint32_t> rings;
    std::vector<RingPin> found = ring_pins(pins);
    std::ranges::sort(found, {}, &RingPin::bytes);
    for (const RingPin& ring : found) {
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

void forget_session(const SessionMaps& maps, uint64_t session) {
    forget(maps, [session](uint64_t owner) { return owner == session; });
}

Result<Inventory> take_inventory(const SessionMaps& maps, const Pins& pins) {
    auto rings = settle_rings(maps, pins);
    if (!rings) return std::move(rings).error();
    Inventory inventory;
    std::set<uint64_t> live;
    const auto numbered = [&inventory](uint64_t session) {
        inventory.next_session = std::max(inventory.next_session, session + 1);
    };
    for (int map : {maps.rings, maps.seen}) for_each_key<uint64_t>(map, numbered);
    for_each_key<uint64_t>(maps.sessions, [&](uint64_t session) {
        numbered(session);
        spoor_session entry{};
        spoor_owner owner{};
        const auto ring = rings->find(session);
        if (ring == rings->end() || bpf_map_lookup_elem(maps.sessions, &session, &entry) != 0 ||
            bpf_map_lookup_elem(maps.owners, &session, &owner) != 0)
            return;
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
        inventory.sessions.push_back(std::move(adopted));
    });
    const auto dead = [&live](uint64_t session) { return !live.contains(session); };
    forget(maps, dead);
    for (int map : {maps.sessions, maps.owners, maps.task_keys, maps.rings, maps.seen})
        delete_keys<uint64_t>(map, dead);
    for (const auto& [session, bytes] : *rings)
        if (dead(session)) pins.unpin(name_of({session, bytes}));
    return inventory;
}

}  // namespace spoor::bpf
