// Processes that receive the descriptors which peers pass to spoord, and close them, because closing somebody
// else's descriptor may wait for as long as he likes: for a FUSE daemon that does not answer FUSE_FLUSH, for
// a socket with SO_LINGER whose other end takes nothing, for file systems to be unmounted. spoord itself only
// gets what closes at once. shim/broker/gate.h is its side, docs/decisions/0010 has why it is so.
//
// A gatekeeper has no capability and can open nothing (system_calls.h). It belongs to spoord and trusts it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/broker/request.h"

namespace spoor::broker {

// To a gatekeeper: one byte, with the peer's socket.
enum class Job : uint8_t {
    receive = 1,  // one packet: answered by TakenPacket, its bytes and descriptors, then by `job_done`
    close = 2,    // after what is unread has been thrown away: answered by `job_done`
};

// recvmsg(2)'s result, sent without the end of `bytes` that is not used. At most arm_descriptors + 1
// descriptors come along, as many as the peer's packet had: directories of a cgroup file system and pidfds as
// they are, in the place of any other an eventfd.
struct TakenPacket {
    uint32_t cut;        // 1: bytes or descriptors did not fit
    uint32_t no_packet;  // 1: there was none
    char bytes[packet_room];
};

inline constexpr size_t taken_head = offsetof(TakenPacket, bytes);

inline constexpr size_t job_done = 1;  // bytes of an answer that says only that

// Forks the process that makes gatekeepers; to be called before this one has threads. On the socket that is
// returned each byte asks for one: the answer is a byte with the gatekeeper's socket and its pidfd, or
// without any: there is no process to be had. They all end with the last descriptor of it.
Result<UniqueFd> start_gatekeepers();

}  // namespace spoor::broker
