// What of the BPF object the running kernel can take.
#pragma once

struct btf;
struct spoor_bpf;

namespace spoor::bpf {

// io_uring's tracepoints have changed between kernels: without the one at submission, or with a
// completion that does not tell the request, the programs for it stay out. `types`: the kernel's. Before the
// object is loaded.
void fit_io_uring(spoor_bpf* skeleton, const btf* types);

}  // namespace spoor::bpf
