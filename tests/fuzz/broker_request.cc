// Any packet as a request to spoord. The first byte is what comes beside the packet: the number of
// descriptors in its low bits, and whether the kernel cut it in its highest; the rest is the packet.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bpf/tracer.h"
#include "shim/broker/request.h"

namespace {

using namespace spoor::broker;

void require(bool holds) {
    if (!holds) std::abort();
}

// What the message says, as spoord would act on it.
void check(const ParsedRequest& parsed, const RequestMessage& message, size_t descriptors) {
    require(message.magic == magic && parsed.request == message.request && parsed.version == message.version);
    require(parsed.what.index() == message.request);  // in the order of their numbers
    require((descriptors == arm_descriptors) == (parsed.kind() == Request::arm));
    if (const auto* arm = std::get_if<ArmRequest>(&parsed.what)) {
        require(arm->task_keys.size() <= spoor::bpf::task_keys_max);
        size_t bytes = 0;
        for (const auto& key : arm->task_keys) {
            require(!key.empty() && key.size() <= spoor::bpf::task_key_bytes_max);
            require(std::memcmp(message.task_keys + bytes, key.c_str(), key.size() + 1) == 0);
            bytes += key.size() + 1;
        }
        require(arm->modes.has_value() == (message.pid != 0));
        if (arm->modes)
            require(message.pid ==
                    modes_word(static_cast<uint32_t>(arm->modes->container), arm->modes->tasks));
    }
    if (const auto* assign = std::get_if<AssignRequest>(&parsed.what))
        require(assign->pid == message.pid && assign->start_ns == message.start_ns &&
                assign->refusal == message.ring_bytes);
    if (const auto* renew = std::get_if<RenewRequest>(&parsed.what))
        require(renew->pid == message.pid && renew->start_ns == message.start_ns);
    if (const auto* resume = std::get_if<ResumeRequest>(&parsed.what))
        require(std::memcmp(resume->token.data(), message.token, sizeof message.token) == 0);
    if (const auto* grow = std::get_if<GrowRequest>(&parsed.what))
        require(grow->ring_bytes == message.ring_bytes);
    if (const auto* list = std::get_if<ListRequest>(&parsed.what)) require(list->after == message.start_ns);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const size_t descriptors = data[0] & 3;
    const bool cut = (data[0] & 0x80) != 0;
    // Exactly as long as the packet, so that the sanitizer sees a read past its end.
    const std::vector<uint8_t> packet(data + 1, data + size);
    const ParsedRequest parsed = parse_request(std::as_bytes(std::span(packet)), descriptors, cut);
    require(parsed.container.size() <= sizeof RequestMessage::container_id);
    require(parsed.container.find('\0') == std::string::npos);
    RequestMessage message{};
    if (packet.size() != sizeof message || cut) require(parsed.malformed);
    if (const auto* refused = std::get_if<RefusedRequest>(&parsed.what)) {
        require(!refused->text.empty() && refused->text.size() < sizeof ReplyMessage::text);
        require(refused->code == Code::bad_request ||
                (refused->code == Code::bad_version && !parsed.malformed));
        require(parsed.malformed || parsed.version >= oldest_session_version);
    } else {
        require(!parsed.malformed);
        std::memcpy(&message, packet.data(), sizeof message);
        check(parsed, message, descriptors);
    }
    return 0;
}
