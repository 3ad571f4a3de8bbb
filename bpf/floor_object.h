// The programs for kernels that lack bpf_loop: the same maps, programs and variables as those of the
// skeleton, from the same sources (bpf/drift.bpf.h).
#pragma once

#include <cstddef>

namespace spoor::bpf {

struct FloorObject {
    const void* bytes;  // an ELF file; static
    size_t size;
};
FloorObject floor_object();

}  // namespace spoor::bpf
