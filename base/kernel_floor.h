// The oldest kernel that spoor's BPF programs load on, told by what it has and not by its number:
// distributions bring features to older kernels.
#pragma once

#include <string>

#include "base/result.h"

namespace spoor {

inline constexpr const char* kernel_type_information = "/sys/kernel/btf/vmlinux";

enum class KernelLevel {
    reduced,  // from Linux 5.10 on, on x86-64 only; docs/kernels.md says what is less there
    full,     // bpf_loop and bpf_find_vma: from 5.17 on
};

// What the kernel has. An error names the kernel, what is missing, and what would have it. EOPNOTSUPP: it is
// too old, also for reduced; ENOENT: it has no type information (BTF). Needs no privilege. `btf` is the
// kernel's type information, `release` what uname(2) says; empty: ask.
Result<KernelLevel> kernel_level(const std::string& btf = kernel_type_information, std::string release = "");

}  // namespace spoor
