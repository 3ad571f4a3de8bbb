#include "bpf/left_out.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>

#include "bpf/object.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// Of `runs` of the program at the function that it was left out of, those that the one behind it has not
// caught.
uint64_t uncaught(const spoor_bpf* skeleton, uint64_t runs) {
    const uint64_t caught = __atomic_load_n(&skeleton->bss->calls_caught, __ATOMIC_RELAXED);
    return runs > caught ? runs - caught : 0;
}

// Programs in functions (fentry, LSM) are not asked: they note names, and without a note a name is told as it
// was written.
uint64_t all_left_out(const spoor_bpf* skeleton) {
    uint64_t runs = 0;
    const bpf_object_skeleton& programs = *skeleton->skeleton;
    for (int i = 0; i < programs.prog_cnt; ++i) {
        const bpf_program* program = *programs.progs[i].prog;
        if (!bpf_program__autoload(program) || is_in_function(program) ||
            program == skeleton->progs.catches_sys_exit)
            continue;
        bpf_prog_info info{};  // kernels before 5.12 do not fill in what is asked for
        uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
            runs += program == skeleton->progs.at_sys_exit ? uncaught(skeleton, info.recursion_misses)
                                                           : info.recursion_misses;
    }
    return runs;
}

}  // namespace

void LeftOut::begin(uint64_t session, const spoor_bpf* skeleton) {
    before_[session] = all_left_out(skeleton);
}

Result<spoor_counters> LeftOut::added_to(Result<spoor_counters> counters, uint64_t session,
                                         const spoor_bpf* skeleton) const {
    const auto before = before_.find(session);
    if (counters && before != before_.end())
        counters->lost_scratch += std::max(all_left_out(skeleton), before->second) - before->second;
    return counters;
}

}  // namespace spoor::bpf
