// Programs of system calls and processes at functions of the kernel's, where its tracepoints leave preemption
// on (bpf/function.bpf.h). Which kernel is such a one is told by its type information, and by trial.
#pragma once

#include "base/result.h"

struct btf;
struct spoor_bpf;

namespace spoor::bpf {

// Sets those programs to be loaded, and not those at tracepoints that they stand for; or leaves all as it is.
// `types`: the kernel's. Before the object is loaded. Needs CAP_BPF and CAP_PERFMON.
void choose_functions(spoor_bpf* skeleton, const btf* types);

// Attaches those of them that are loaded and are not attached.
Status attach_to_functions(spoor_bpf* skeleton);

}  // namespace spoor::bpf
