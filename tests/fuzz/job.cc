// Any text as a job: what is accepted says the same after another journey.
#include "shim/ipc/job.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto job = spoor::parse_job({reinterpret_cast<const char*>(data), size});
    if (!job) return 0;
    const std::string text = spoor::to_json(*job);
    const auto again = spoor::parse_job(text);
    if (!again || spoor::to_json(*again) != text) std::abort();
    return 0;
}
