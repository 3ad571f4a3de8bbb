// What containers left whose programs were killed: spoor before it had a recorder, or both.
#pragma once

#include <string>

namespace spoor {

// Removes the state directories beside `state_dir` (in <state root>/containers) that nobody has: the
// process that made them and the recorder are dead, and they are not quite new. Their readers are told, and a
// volume of spoor's own in which no session ever began goes with its directory. A directory that holds
// a bundle stays, as its container may still run in it; poststop removes that one. Volumes of spoor's own
// that are empty and belong to no state directory go, too. Failures are left to the next sweep. The state
// root's modification time becomes now: shim/front looks at it.
void sweep_beside(const std::string& state_dir);

}  // namespace spoor
