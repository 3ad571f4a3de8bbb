// The set-up of a container that shim/front has begun: it has become the wrapped runtime already, which waits
// for its spec no longer than it must.
#pragma once

#include <span>

namespace spoor {

// `spoor-runtime set-up STATE_DIR PID` and the words that spoor was called with. Descriptor 3 is the state
// directory's config.json, which is leased (fcntl(2), F_SETLEASE) so that the runtime's open waits: the spec
// as it came, a fit one (shim/front/certain.h), but for a NUL in the place of its first byte, the brace. 4 is
// a pidfd of the process PID, the runtime. Ends with the spec augmented, or as it came if the container is
// not to be traced, or, if it must not start, without that brace, which the caller's log and stderr then
// tell: the runtime fails, too. Returns the exit code, which nobody looks at.
int set_up_meanwhile(std::span<const char* const> words);

}  // namespace spoor
