// spoord's wire protocol, version 2: SOCK_SEQPACKET over a unix socket, one fixed-size request, one
// fixed-size reply, host byte order. Documented for reviewers in docs/broker-protocol.md.
//
// One connection holds at most one session; closing it ends the session. A spoord that ends leaves its
// sessions to the next one, where their recorders resume them. A recorder is of the release that its
// container was started with, and spoord may be of a later one by then: resume, stats, grow, renew and disarm
// are served in every version from `oldest_session_version` on, so a later one must leave their fields where
// they are.
#pragma once

#include <cstdint>

#include "bpf/abi.h"

namespace spoor::broker {

inline constexpr uint32_t magic = 0x53504f52;  // "SPOR"
#ifdef SPOOR_TEST_NEXT_RELEASE                 // tests/broker: a spoord that speaks a later version
inline constexpr uint16_t version = 1000;
#else
inline constexpr uint16_t version = 2;
#endif
inline constexpr uint16_t oldest_session_version = 2;
inline constexpr const char* default_socket = "/run/spoor/spoord.sock";

enum class Request : uint16_t {
    hello = 1,   // what can you trace? No session needed.
    arm = 2,     // fds: cgroup directory (O_RDONLY|O_DIRECTORY), pidfd of the container's init
    stats = 3,   // the session's counters
    grow = 4,    // double the ring; the reply carries the new ring's fd; the old one is final
    disarm = 5,  // stop; the reply carries the final counters; can be asked again after a resume
    renew = 6,   // tell again what the process `pid` that began at `start_ns` does: it has a new task
    resume = 7,  // the session that `token` was given for, after spoord was gone; the reply carries its ring
    list = 8,    // the peer's running session with the next larger cgroup id than start_ns; root's: anybody's
    window = 9,  // the reply carries the fd of the session's window: what is refused (base/path_table.h)
    assign = 10,  // the process `pid` that began at `start_ns` is refused what `ring_bytes` says
};

enum class Code : int32_t {
    ok = 0,
    bad_request = 1,  // malformed, wrong size, wrong state
    bad_version = 2,
    not_a_cgroup = 3,
    not_owner = 4,  // the peer does not own the cgroup
    already_traced = 5,
    quota = 6,
    unavailable = 7,  // the kernel refused; text says what; window: this hook family refuses nothing
    bad_process = 8,  // the pidfd is no live process
    no_session = 9,   // resume: nothing to resume, or not with this token
    mode = 10,        // arm: the tenant may not run a session so; text says which modes it may have
};

// In `pid` of arm: the mode of the container (0 off, 1 warn, 2 strict) in the lowest byte, and in the next
// one the set of modes that tasks may ask for (bit n: mode n). 0: nothing is said, as by clients of before.
inline constexpr uint32_t modes_said = 1u << 31;
constexpr uint32_t modes_word(uint32_t container, uint32_t tasks) {
    return modes_said | tasks << 8 | container;
}

struct RequestMessage {
    uint32_t magic;
    uint16_t version;
    uint16_t request;     // Request
    uint32_t ring_bytes;  // arm: wanted size, a power of two; grow: wanted size; assign: the refusal, as in
                          // bpf/state.h's spoor_process
    uint32_t pid;         // renew, assign: as the records have it; arm: modes_word()
    uint64_t start_ns;  // renew, assign; arm: inode of the pid namespace in whose numbers `pid` is, here and
                        // in the records, 0: spoord's; list: 0, then the cgroup id that the last answer had
    char container_id[256];  // arm: for the audit log; NUL-ended
    char task_keys[216];     // arm: names of environment variables, each NUL-ended; the rest is zero
    uint64_t token[2];       // resume: as the reply to arm had it
};

struct ReplyMessage {
    uint32_t magic;
    uint16_t version;
    uint16_t request;     // echoes the request
    int32_t code;         // Code
    uint32_t ring_bytes;  // arm, grow, resume: size of the ring whose fd comes along; list: of the session
    spoor_counters counters;
    uint32_t abi_version;  // of the ring's records
    uint32_t family;       // hello: enum Family
    uint64_t exact_ops;    // hello: bit n set: enum spoor_op n is exact; list: the cgroup id, 0: no more
    uint64_t lexical_ops;  // hello: bit n set: lexical; neither: none; list: the uid it was granted to
    char text[256];        // refusals: one line for a person; list: the container's id; NUL-ended
    uint64_t token[2];     // arm: to resume the session with; a secret. All zero: it cannot be resumed
};

enum class Family : uint32_t { none = 0, syscall_exit = 1, fentry = 2, lsm = 3 };

static_assert(sizeof(RequestMessage) == 512 && sizeof(ReplyMessage) == 376);

}  // namespace spoor::broker
