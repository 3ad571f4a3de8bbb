// The hook families: which programs beside the system calls' tell what names turned out to be
// (resolve.bpf.h), and which of them the running kernel takes. That is found by its type information, by the
// list of its active security modules and by trial, never by its version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

struct btf;
struct spoor_bpf;

namespace spoor::bpf {

// The numbers are the broker protocol's.
enum class HookFamily : uint32_t {
    syscall_exit = 1,  // names as callers write them
    fentry = 2,        // names resolved at the kernel's functions security_path_*
    lsm = 3,           // … at the BPF LSM's hooks, where that module is active
};

struct Coverage {
    HookFamily family = HookFamily::syscall_exit;
    uint64_t exact_ops = 0;    // bit n: enum spoor_op n is reported with the object the kernel resolved
    uint64_t lexical_ops = 0;  // … as the caller wrote it
    bool refuses = false;      // what a task may not do can be refused in place
};

// Sets the programs of the best family that this kernel takes, or of `wanted`, to be loaded, those that
// refuse in place only if told so. `types`: the kernel's. Before the object is loaded. Needs CAP_BPF and
// CAP_PERFMON. ENOTSUP: it does not take `wanted`.
Status choose_hooks(spoor_bpf* skeleton, const btf* types, std::optional<HookFamily> wanted, bool may_refuse);

// The names of the programs that are set to be loaded.
std::vector<std::string> loadable_programs(const spoor_bpf* skeleton);
// What is told of each operation while the programs of these names are attached.
Coverage coverage_of(const std::vector<std::string>& programs);

}  // namespace spoor::bpf
