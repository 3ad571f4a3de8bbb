// Any packet as a request to the recorder, and as its answer.
#include "shim/ipc/control.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view packet(reinterpret_cast<const char*>(data), size);
    if (const auto request = spoor::parse_control_request(packet)) {
        require(request->op == spoor::ControlRequest::Op::finish || request->pid > 0);
        const auto again = spoor::parse_control_request(to_json(*request));
        require(again && again->op == request->op && again->pid == request->pid);
    }
    (void)spoor::parse_control_answer(packet);
    // Whatever the reason, the answer can be sent and read.
    const std::string answer = spoor::control_answer(spoor::Error{0, std::string(packet)});
    require(answer.size() < 16 * 1024);
    const auto read = spoor::parse_control_answer(answer);
    require(!read && read.error().code == 0);
    return 0;
}
