// The directory that the wrapped runtime made to mount the volume on.
#pragma once

#include "shim/ipc/job.h"

namespace spoor {

// Removes it when the container has gone, unless another container of this state root has its volume
// mounted there too: the kernel would take that mount away with the directory.
void remove_volume_mount_point(const Job& job);

}  // namespace spoor
