#include "bpf/floor_object.h"

#include "floor.skel.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// One object is opened with the other's skeleton, which finds maps and programs by their names and has these
// at fixed places.
using Constants = spoor_bpf::spoor_bpf__rodata;
using FloorConstants = spoor_floor::spoor_floor__rodata;
static_assert(sizeof(Constants) == sizeof(FloorConstants));
static_assert(offsetof(Constants, hash_seed_a) == offsetof(FloorConstants, hash_seed_a));
static_assert(offsetof(Constants, hash_seed_b) == offsetof(FloorConstants, hash_seed_b));
static_assert(offsetof(Constants, resolves_names) == offsetof(FloorConstants, resolves_names));
static_assert(offsetof(Constants, attaches_once) == offsetof(FloorConstants, attaches_once));
static_assert(offsetof(Constants, uring_is_told) == offsetof(FloorConstants, uring_is_told));
static_assert(offsetof(Constants, uring_complete_has_cqe) ==
              offsetof(FloorConstants, uring_complete_has_cqe));
static_assert(sizeof(spoor_bpf::maps) == sizeof(spoor_floor::maps) &&
              sizeof(spoor_bpf::progs) == sizeof(spoor_floor::progs));

}  // namespace

FloorObject floor_object() {
    size_t size = 0;
    const void* bytes = spoor_floor__elf_bytes(&size);
    return {bytes, size};
}

}  // namespace spoor::bpf
