// spoor's directory of one container: <state root>/containers/<name>/ with
//   config.json   the augmented spec, for a runtime that takes a file
//   bundle/       the same as a bundle, for one that does not
//   job.json      what the recorder was told, for the hooks
//   owner         the process that set it up (spoor, which becomes the wrapped runtime)
//   recorder      the recorder's process
//   control       the recorder's socket
// The recorder removes it at the end.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"

namespace spoor {

inline constexpr const char* augmented_config_file = "config.json";
inline constexpr const char* bundle_copy_dir = "bundle";
inline constexpr const char* owner_file = "owner";
inline constexpr const char* recorder_file = "recorder";

struct StateDir {
    std::string path;
    std::string name;  // the container's ID, or "ID.1" and so on while a namesake is alive
    // Which directory this is: its recorder may have removed it, and the next container of this name made its
    // own.
    FileIdentity identity;
};

// Makes the directory, this process's own. One left by a dead container of this name is removed first.
Result<StateDir> make_state_dir(const std::string& state_root, const std::string& container_id);

// Removes it if it is still that one.
void remove_state_dir(const StateDir& dir);

// Notes that the process `pid` sets it up.
Status write_owner(const StateDir& dir, int pid);

// The container in `path` is being set up, or its recorder answers.
[[nodiscard]] bool is_in_use(const std::string& path);

// Usable as one component of a path. The wrapped runtime refuses others itself.
[[nodiscard]] bool is_plain_container_id(const std::string& id);

}  // namespace spoor
