#include "shim/broker/request.h"

#include <cstring>
#include <string_view>
#include <utility>

#include "bpf/tracer.h"

namespace spoor::broker {
namespace {

// A running session's recorder may be older than this spoord.
bool understands(const RequestMessage& message) {
    if (message.version == version) return true;
    const auto request = static_cast<Request>(message.request);
    return message.version >= oldest_session_version && message.version < version &&
           (request == Request::resume || request == Request::stats || request == Request::grow ||
            request == Request::renew || request == Request::disarm);
}

// nullopt: not well formed.
std::optional<std::vector<std::string>> task_keys_of(const RequestMessage& request) {
    std::vector<std::string> keys;
    std::string_view rest(request.task_keys, sizeof request.task_keys);
    while (!rest.empty() && rest.front() != '\0') {
        const size_t end = rest.find('\0');
        if (end == std::string_view::npos || end > bpf::task_key_bytes_max ||
            keys.size() == bpf::task_keys_max)
            return std::nullopt;
        keys.emplace_back(rest.substr(0, end));
        rest.remove_prefix(end + 1);
    }
    if (rest.find_first_not_of('\0') != std::string_view::npos) return std::nullopt;
    return keys;
}

decltype(ParsedRequest::what) arm_of(const RequestMessage& message, size_t descriptors) {
    if (descriptors != arm_descriptors)
        return RefusedRequest{Code::bad_request, "arm takes the cgroup's directory and a pidfd"};
    const auto modes = parse_mode_claim(message.pid);
    if (!modes) return RefusedRequest{Code::bad_request, "the modes are malformed"};
    auto task_keys = task_keys_of(message);
    if (!task_keys) return RefusedRequest{Code::bad_request, "the task keys are malformed"};
    if (message.start_ns > UINT32_MAX)
        return RefusedRequest{Code::bad_request, "the pid namespace is malformed"};
    return ArmRequest{message.ring_bytes, *modes, static_cast<uint32_t>(message.start_ns),
                      std::move(*task_keys)};
}

decltype(ParsedRequest::what) request_of(const RequestMessage& message, size_t descriptors) {
    const auto request = static_cast<Request>(message.request);
    if (request != Request::arm && descriptors != 0)
        return RefusedRequest{Code::bad_request, "only arm takes descriptors"};
    switch (request) {
        case Request::hello:
            return HelloRequest{};
        case Request::arm:
            return arm_of(message, descriptors);
        case Request::stats:
            return StatsRequest{};
        case Request::grow:
            return GrowRequest{message.ring_bytes};
        case Request::disarm:
            return DisarmRequest{};
        case Request::renew:
            return RenewRequest{message.pid, message.start_ns};
        case Request::resume:
            return ResumeRequest{{message.token[0], message.token[1]}};
        case Request::list:
            return ListRequest{message.start_ns};
        case Request::window:
            return WindowRequest{};
        case Request::assign:
            return AssignRequest{message.pid, message.start_ns, message.ring_bytes};
    }
    return RefusedRequest{Code::bad_request, "unknown request " + std::to_string(message.request)};
}

}  // namespace

ParsedRequest parse_request(std::span<const std::byte> packet, size_t descriptors, bool cut) {
    ParsedRequest parsed;
    RequestMessage message{};
    parsed.malformed = cut || packet.size() != sizeof message;
    if (!parsed.malformed) {
        std::memcpy(&message, packet.data(), sizeof message);
        parsed.malformed = message.magic != magic;
    }
    if (parsed.malformed) {
        parsed.what = RefusedRequest{Code::bad_request, "malformed request"};
        return parsed;
    }
    parsed.request = message.request;
    if (!understands(message)) {
        parsed.what = RefusedRequest{Code::bad_version, "this spoord speaks protocol version " +
                                                            std::to_string(version) +
                                                            ": install spoor and spoord of one release"};
        return parsed;
    }
    parsed.version = message.version;
    if (parsed.kind() == Request::arm)
        parsed.container.assign(message.container_id,
                                ::strnlen(message.container_id, sizeof message.container_id));
    parsed.what = request_of(message, descriptors);
    return parsed;
}

}  // namespace spoor::broker
