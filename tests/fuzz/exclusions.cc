// Any text as a file of exclusions: faults are single lines that name the file, and what was taken can be
// used.
#include "signal/declaration/exclusions.h"

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
    const auto file = spoor::parse_exclusions({reinterpret_cast<const char*>(data), size}, "f.yaml");
    require(file.warnings.size() <= 101);
    for (const auto& warning : file.warnings) {
        require(warning.starts_with("f.yaml:"));
        require(warning.find('\n') == std::string::npos);
    }
    spoor::Exclusions exclusions({"/ws", "apps/web", "web"}, "web", "build");
    for (const auto& fault : exclusions.add(file.rules)) require(fault.find('\n') == std::string::npos);
    (void)exclusions.excludes_read("/ws/apps/web/src/a.ts");
    (void)exclusions.excludes_write("/tmp/x");
    return 0;
}
