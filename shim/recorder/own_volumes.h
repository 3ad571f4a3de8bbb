// The volumes that spoor made for containers without one of their own, kept for a while after their
// container so that somebody can read them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace spoor {

inline constexpr const char* own_volumes_directory = "volumes";  // in the state root

// Removes the oldest volumes in `directory` until at most `keep` finished ones stay beside `current`
// (a path in it, or empty). Volumes that a live session writes to, or that have no session.json yet,
// are neither counted nor touched. Returns the names of those removed; one that cannot be removed
// is passed over.
std::vector<std::string> prune_own_volumes(const std::string& directory, const std::string& current,
                                           size_t keep);

// Removes the tree at `path` if the directory at `witness`, in it or `path` itself, is the one we know (or,
// being 0, none is known). What has another directory there is somebody else's and stays.
Status remove_own_tree(const std::string& path, const std::string& witness, const FileIdentity& identity);
// The same for a container's state directory, unless somebody who makes a new container of its name has found
// it a dead one's and is about to remove it (shim/runtime/state_dir.cc).
Status remove_own_state_dir(const std::string& path, const FileIdentity& identity);

}  // namespace spoor
