// What a peer of spoord has sent (shim/ipc/broker_protocol.h), as a typed request or as the reason why it is
// none. Pure: knows the bytes of one packet and how many descriptors came along, no socket and no session.
// Whether the peer may have what it asks for is not judged here. tests/fuzz/broker_request.cc feeds it any
// bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "shim/broker/mode_claim.h"
#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {

inline constexpr size_t arm_descriptors =
    2;  // the cgroup's directory, then a pidfd of the init; no others take any

struct HelloRequest {};
struct StatsRequest {};
struct DisarmRequest {};
struct WindowRequest {};
struct ArmRequest {
    uint32_t ring_bytes = 0;         // a wish: any number
    std::optional<ModeClaim> modes;  // nothing is said of them
    uint32_t pid_namespace = 0;      // inode of the peer's, or any number; 0: nothing is said
    std::vector<std::string>
        task_keys;  // as many, each as long, as bpf/tracer.h's arm() takes; none is empty
};
struct GrowRequest {
    uint32_t ring_bytes = 0;  // any number
};
struct RenewRequest {
    uint32_t pid = 0;  // any number
    uint64_t start_ns = 0;
};
struct AssignRequest {
    uint32_t pid = 0;
    uint64_t start_ns = 0;
    uint32_t refusal = 0;  // as bpf/state.h's spoor_process has it; any number
};
struct ResumeRequest {
    std::array<uint64_t, 2> token{};
};
struct ListRequest {
    uint64_t after = 0;  // cgroup id
};
// Answered with its code and text, which names nothing of the packet but numbers.
struct RefusedRequest {
    Code code = Code::bad_request;
    std::string text;
};

struct ParsedRequest {
    // For the answer: what it echoes, and the version that it is given in.
    uint16_t request = 0;
    uint16_t version = broker::version;
    // Not even a message of the protocol: after the refusal the connection is closed.
    bool malformed = false;
    // arm: bytes of the peer's choice, without a NUL; also when it is refused, for the audit log.
    std::string container;
    std::variant<RefusedRequest, HelloRequest, ArmRequest, StatsRequest, GrowRequest, DisarmRequest,
                 RenewRequest, ResumeRequest, ListRequest, WindowRequest, AssignRequest>
        what;

    [[nodiscard]] Request kind() const { return static_cast<Request>(request); }
};

// Room for a packet: a byte more than a message has, to see that a longer one was cut.
inline constexpr size_t packet_room = sizeof(RequestMessage) + 1;

// `packet`: one packet as it was received. `cut`: the kernel left out bytes or descriptors for want of room.
ParsedRequest parse_request(std::span<const std::byte> packet, size_t descriptors, bool cut);

}  // namespace spoor::broker
