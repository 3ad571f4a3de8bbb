// The oldest kernel that spoor's BPF programs load on, told by what it has and not by its number:
// distributions bring features to older kernels.
#pragma once

#include <string>

#include "base/result.h"

namespace spoor {

inline constexpr const char* kernel_type_information = "/sys/kernel/btf/vmlinux";

// Good if the kernel has type information (BTF) and what the programs need and Linux 5.10 lacks: bpf_loop and
// bpf_find_vma (5.17; atomic instructions came before them). The error names the kernel, what is missing,
// and what would have it. EOPNOTSUPP: it is too old; ENOENT: it has no type information. Needs no
// privilege. `btf` is the kernel's type information, `release` what uname(2) says; empty: ask.
Status check_kernel_floor(const std::string& btf = kernel_type_information, std::string release = "");

}  // namespace spoor
