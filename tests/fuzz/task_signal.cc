// Whoever may write into agent/ writes these.
#include "signal/task_signal.h"

#include <cstdint>
#include <cstdlib>

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool one_line(const std::string& text) {
    for (char c : text)
        if (static_cast<unsigned char>(c) < 0x20) return false;
    return !text.empty() && text.size() < 300;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto parsed = spoor::parse_task_signal(text);
    if (!parsed) {
        require(one_line(parsed.error().message));
    } else {
        require(!parsed->task_id.empty() && parsed->task_id != spoor::container_task);
        require(parsed->task_id.find('\0') == std::string::npos);
        require(parsed->workspace_root.empty() || parsed->workspace_root.front() == '/');
        require(parsed->event != spoor::TaskEvent::pid || parsed->pid != 0);
    }
    // Any bytes that name a task give one component of a path.
    std::string name = spoor::task_file_name(text);
    require(name.size() <= 200 && name.find('/') == std::string::npos &&
            name.find('\0') == std::string::npos);
    require(name.empty() || name.front() != '.');
    return 0;
}
