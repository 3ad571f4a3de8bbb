#include "bpf/fit_kernel.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <string>

#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// The parameters of a tracepoint in the running kernel, the leading data pointer included; 0 if the
// kernel does not have it.
unsigned tracepoint_parameters(const btf* types, const std::string& name) {
    int id = btf__find_by_name_kind(types, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
    if (id < 0) return 0;
    const btf_type* type = btf__type_by_id(types, btf__type_by_id(types, static_cast<unsigned>(id))->type);
    if (!btf_is_ptr(type)) return 0;
    const btf_type* prototype = btf__type_by_id(types, type->type);
    return btf_is_func_proto(prototype) ? btf_vlen(prototype) : 0;
}

}  // namespace

void fit_io_uring(spoor_bpf* skeleton, const btf* types) {
    if (!types) return;
    // Before 6.4 the submission's name is io_uring_submit_sqe; what it tells first is the request from 6.0
    // on, where it has two parameters (and the data pointer).
    bool submit = tracepoint_parameters(types, "io_uring_submit_req") > 0;
    if (!submit && tracepoint_parameters(types, "io_uring_submit_sqe") == 3)
        submit =
            bpf_program__set_attach_target(skeleton->progs.on_uring_submit, 0, "io_uring_submit_sqe") == 0;
    unsigned complete = tracepoint_parameters(types, "io_uring_complete");
    bool usable = submit && complete >= 4 && btf__find_by_name_kind(types, "io_open", BTF_KIND_STRUCT) > 0;
    skeleton->rodata->uring_complete_has_cqe = complete == 4;
    skeleton->rodata->uring_is_told = usable;
    bpf_program__set_autoload(skeleton->progs.on_uring_submit, usable);
    bpf_program__set_autoload(skeleton->progs.on_uring_complete, usable);
}

}  // namespace spoor::bpf
