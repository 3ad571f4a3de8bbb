#include "signal/names.h"

#include <cstring>

namespace spoor {
namespace {

constexpr std::string_view op_names[] = {
    "unknown",  "read",  "write",     "create",     "truncate", "delete", "rename", "link",
    "symlink",  "mkdir", "rmdir",     "mknod",      "metadata", "list",   "probe",  "absent",
    "readlink", "exec",  "mmap-exec", "mmap-write", "connect",  "bind",
};
static_assert(std::size(op_names) == last_op + 1);

}  // namespace

std::string_view name_of(Op op) {
    auto index = static_cast<size_t>(op);
    return index < std::size(op_names) ? op_names[index] : op_names[0];
}

std::optional<Op> op_named(std::string_view name) {
    for (size_t i = 1; i < std::size(op_names); ++i)
        if (op_names[i] == name) return static_cast<Op>(i);
    return std::nullopt;
}

std::string errno_name(int error) {
    if (const char* name = ::strerrorname_np(error)) return name;
    return std::to_string(error);
}

}  // namespace spoor
