#include "bpf/other_versions.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "bpf/object.h"
#include "bpf/object_pins.h"
#include "bpf/state.h"

namespace spoor::bpf {
namespace {

constexpr int version_shift = 56;
constexpr size_t versions_max = 255;

uint64_t own_number(uint64_t session) { return session & ((uint64_t{1} << version_shift) - 1); }

struct WantedMap {
    const char* name;
    uint32_t type;
    uint32_t key_size;
    uint32_t value_size;  // at least
    int SessionMaps::*fd;
};

// As they were when the promise in state.h was made; never to be changed.
constexpr WantedMap wanted_maps[] = {
    {"scopes", BPF_MAP_TYPE_HASH, 16, 8, &SessionMaps::scopes},
    {"sessions", BPF_MAP_TYPE_HASH, 8, 88, &SessionMaps::sessions},
    {"processes", BPF_MAP_TYPE_HASH, 4, 8, &SessionMaps::processes},
    {"owners", BPF_MAP_TYPE_HASH, 8, 800, &SessionMaps::owners},
    {"rings", BPF_MAP_TYPE_HASH_OF_MAPS, 8, 4, &SessionMaps::rings},
};
static_assert(sizeof(spoor_scope_key) == 16 && sizeof(spoor_session) >= 88 &&
              offsetof(spoor_process, session) == 0 && sizeof(spoor_owner) >= 800 &&
              offsetof(spoor_session, counters) == 24);

Result<UniqueFd> open_map(const Pins& pins, const WantedMap& wanted) {
    auto fd = pins.get(std::string(map_pin_prefix) + wanted.name);
    if (!fd) return fd;
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (int error = bpf_obj_get_info_by_fd(fd->get(), &info, &size); error < 0)
        return errno_error(std::string("look at the map ") + wanted.name, -error);
    if (info.type != wanted.type || info.key_size != wanted.key_size || info.value_size < wanted.value_size)
        return Error{EPROTO, std::string("the map ") + wanted.name + " has another layout"};
    return fd;
}

}  // namespace

Result<OtherVersion> OtherVersion::open(Pins pins) {
    OtherVersion version(std::move(pins));
    version.maps_.names_children = true;
    for (const WantedMap& wanted : wanted_maps) {
        auto fd = open_map(version.pins_, wanted);
        if (!fd) return std::move(fd).error();
        version.maps_.*wanted.fd = fd->get();
        version.fds_.push_back(std::move(*fd));
    }
    return version;
}

Result<std::vector<Tracer::Adopted>> OtherVersion::take_inventory() {
    auto inventory = bpf::take_inventory(maps_, pins_);
    if (!inventory) return std::move(inventory).error();
    for (const auto& session : inventory->sessions) ring_sizes_[session.session] = session.sizes.ring_bytes;
    return std::move(inventory->sessions);
}

bool OtherVersion::traces(const ScopeRoot& root) const {
    const auto has_entry = [this, &root](uint64_t cgroup_id) {
        const spoor_scope_key key{cgroup_id, root.hierarchy, 0};
        uint64_t session = 0;
        return bpf_map_lookup_elem(maps_.scopes, &key, &session) == 0;
    };
    return has_entry(root.cgroup_id) || std::ranges::any_of(root.above, has_entry);
}

Result<UniqueFd> OtherVersion::ring(const Tracer::Adopted& session) const {
    return pins_.get(name_of(RingPin{own_number(session.session), session.sizes.ring_bytes}));
}

Result<UniqueFd> OtherVersion::grow(uint64_t session, uint32_t ring_bytes) {
    uint32_t& bytes = ring_sizes_[own_number(session)];
    auto ring = grow_ring(maps_, &pins_, own_number(session), bytes, ring_bytes);
    if (ring) bytes = ring_bytes;
    return ring;
}

Result<spoor_counters> OtherVersion::counters(uint64_t session) const {
    return counters_of(maps_, own_number(session));
}

Result<spoor_counters> OtherVersion::stop(uint64_t session) const {
    return stop_session(maps_, own_number(session));
}

void OtherVersion::release(uint64_t session) {
    const uint64_t number = own_number(session);
    bpf_map_delete_elem(maps_.sessions, &number);
    bpf_map_delete_elem(maps_.owners, &number);
    if (const auto ring = ring_sizes_.extract(number)) pins_.unpin(name_of(RingPin{number, ring.mapped()}));
    bpf_map_delete_elem(maps_.rings, &number);
}

void OtherVersions::adopt(const Pins& pins, std::vector<Tracer::Adopted>& adopted) {
    for (Pins& other : pins.others()) {
        const std::string path = other.path();
        if (!other.complete()) {
            other.remove();
            continue;
        }
        if (versions_.size() == versions_max) break;
        auto version = OtherVersion::open(std::move(other));
        auto sessions =
            version ? version->take_inventory() : Result<std::vector<Tracer::Adopted>>(version.error());
        if (!sessions) {
            send_message(path + " is left alone: " + sessions.error().message);
            continue;
        }
        if (sessions->empty()) {
            version->pins().remove();
            continue;
        }
        versions_.push_back(std::make_unique<OtherVersion>(std::move(*version)));
        for (auto& session : *sessions) {
            session.session |= uint64_t{versions_.size()} << version_shift;
            adopted.push_back(std::move(session));
        }
    }
    count_links();
}

OtherVersion* OtherVersions::of(uint64_t session) {
    const uint64_t place = session >> version_shift;
    return place == 0 || place > versions_.size() ? nullptr : versions_[place - 1].get();
}

bool OtherVersions::trace(const ScopeRoot& root) const {
    for (const auto& version : versions_)
        if (version && version->traces(root)) return true;
    return false;
}

void OtherVersions::release(uint64_t session) {
    OtherVersion* version = of(session);
    version->release(session);
    if (!version->empty()) return;
    version->pins().remove();
    versions_[(session >> version_shift) - 1].reset();
    count_links();
}

void OtherVersions::count_links() {
    size_t links = 0;
    for (const auto& version : versions_) {
        if (!version) continue;
        if (const auto names = version->pins().names(std::string(link_pin_prefix))) links += names->size();
    }
    links_ = links;
}

}  // namespace spoor::bpf
