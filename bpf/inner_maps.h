// The maps that each session has of its own, and the maps of maps through which the programs find them.
//
// Whatever changes a map of maps waits for a grace period of the kernel, some 15 ms, if possible once for
// all that is put or dropped in one call.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor::bpf {

// `bytes`: a power of two and a multiple of the page size.
Result<UniqueFd> make_ring(uint32_t bytes);
// `entries`: a power of two, at least one set of them (state.h).
Result<UniqueFd> make_seen_table(uint32_t entries);

// SPOOR_WINDOW_BYTES of zeros (base/path_table.h) that mmap(2) can write to, put into the map of maps
// `outer` as by put_inner_maps().
Result<UniqueFd> put_window(int outer, uint64_t session);

struct InnerMap {
    uint64_t session = 0;
    int fd = -1;  // not owned
};
// When it returns, no program still uses what a session had there before. On an error some may be in place.
Status put_inner_maps(int outer, const std::vector<InnerMap>& maps);
// Those that are not there are passed over.
void drop_inner_maps(int outer, const std::vector<uint64_t>& sessions);

}  // namespace spoor::bpf
