#include "base/kernel_floor.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/files.h"

namespace spoor {
namespace {

// Type information holds each name between NULs, those of enumerators too.
struct Feature {
    std::string_view name;
    std::string_view constant;
};
constexpr std::array needed = {
    Feature{"BPF ring buffers (Linux 5.8)", std::string_view("\0BPF_FUNC_ringbuf_output\0", 25)},
    Feature{"BPF arrays of any size in maps (Linux 5.10)", std::string_view("\0BPF_F_INNER_MAP\0", 17)},
};
constexpr std::array needed_for_all = {
    std::string_view("\0BPF_FUNC_loop\0", 15),
    std::string_view("\0BPF_FUNC_find_vma\0", 19),
};

constexpr size_t type_information_max = size_t{256} << 20;

std::string running_release() {
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "(unknown)";
}

}  // namespace

Result<KernelLevel> kernel_level(const std::string& btf, std::string release) {
    if (release.empty()) release = running_release();
    auto types = read_file(btf, type_information_max);
    if (!types)
        return Error{ENOENT, "kernel " + release + " has no type information (" + btf +
                                 "): it needs CONFIG_DEBUG_INFO_BTF"};
    const auto has = [&types](std::string_view constant) {
        return types->find(constant) != std::string::npos;
    };
    std::string missing;
    for (const Feature& feature : needed)
        if (!has(feature.constant)) missing += (missing.empty() ? "" : " and ") + std::string(feature.name);
    if (!missing.empty()) return Error{EOPNOTSUPP, "kernel " + release + " is too old: it has no " + missing};
    if (std::ranges::all_of(needed_for_all, has)) return KernelLevel::full;
#if !defined(__x86_64__)
    // The object for older kernels finds a thread's registers where x86-64 has them.
    return Error{EOPNOTSUPP, "kernel " + release + " is too old: on this architecture it takes Linux 5.17"};
#else
    return KernelLevel::reduced;
#endif
}

}  // namespace spoor
