#include "base/kernel_floor.h"

#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/files.h"

namespace spoor {
namespace {

struct Helper {
    std::string_view name;
    std::string_view constant;  // of enum bpf_func_id; type information holds each name between NULs
};
constexpr std::array needed = {
    Helper{"bpf_loop", std::string_view("\0BPF_FUNC_loop\0", 15)},
    Helper{"bpf_find_vma", std::string_view("\0BPF_FUNC_find_vma\0", 19)},
};

constexpr size_t type_information_max = size_t{256} << 20;

std::string running_release() {
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "(unknown)";
}

}  // namespace

Status check_kernel_floor(const std::string& btf, std::string release) {
    if (release.empty()) release = running_release();
    auto types = read_file(btf, type_information_max);
    if (!types)
        return Error{ENOENT, "kernel " + release + " has no type information (" + btf +
                                 "): it needs CONFIG_DEBUG_INFO_BTF"};
    std::string missing;
    for (const Helper& helper : needed)
        if (types->find(helper.constant) == std::string::npos)
            missing += (missing.empty() ? "" : " and ") + std::string(helper.name);
    if (missing.empty()) return {};
    return Error{EOPNOTSUPP, "kernel " + release + " is too old: it has no " + missing +
                                 " (Linux 5.17, or an older one of a distribution that brought them over)"};
}

}  // namespace spoor
