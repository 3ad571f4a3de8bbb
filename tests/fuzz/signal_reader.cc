// Readers of a volume (spoorctl) meet files that anybody may have written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "signal/json_text.h"
#include "signal/reader.h"
#include "signal/session.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)spoor::parse_access_line(text);
    (void)spoor::parse_process_line(text);
    if (auto session = spoor::parse_session(text)) {
        // What was read can be written, and then says the same.
        auto again = spoor::parse_session(spoor::to_json(*session));
        require(again && again->complete() == session->complete() &&
                again->loss.total() == session->loss.total());
    }
    // Any bytes are a name: what is written is read back, byte for byte.
    std::string line;
    spoor::JsonObject object(line);
    object.text("time", "t");
    object.number("pid", 1);
    object.number("start", 2);
    object.text("op", "read");
    object.name("path", text);
    object.close();
    auto parsed = spoor::parse_access_line(line);
    require(parsed && parsed->path == text);
    if (auto bytes = spoor::decode_base64(text)) {
        std::string canonical;
        spoor::append_base64(canonical, *bytes);
        require(canonical == text);
    }
    return 0;
}
