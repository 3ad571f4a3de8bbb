// The volumes that spoor made for containers without one of their own, kept for a while after their
// container so that somebody can read them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace spoor {

inline constexpr const char* own_volumes_directory = "volumes";  // in the state root

// Removes the oldest volumes in `directory` until at most `keep` finished ones stay beside `current`
// (a path in it, or empty). Volumes that a live session writes to, or that have no session.json yet,
// are neither counted nor touched. Returns the names of those removed; one that cannot be removed
// is passed over.
std::vector<std::string> prune_own_volumes(const std::string& directory, const std::string& current,
                                           size_t keep);

}  // namespace spoor
