#include "bpf/left_out.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <optional>

#include "bpf/object.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

// Of `missed` runs of a program at a function those that the one at the tracepoint has not caught; nullopt:
// `program` is such a one.
std::optional<uint64_t> uncaught(const spoor_bpf* skeleton, const bpf_program* program, uint64_t missed) {
    const auto& programs = skeleton->progs;
    const auto& caught = skeleton->bss->caught;
    const struct {
        const bpf_program *at_function, *catcher;
        const __u64& caught;
    } pairs[] = {
        {programs.at_sys_exit, programs.catches_sys_exit, caught.calls},
        {programs.at_fork, programs.catches_fork, caught.forks},
        {programs.at_exec, programs.catches_exec, caught.execs},
        {programs.at_exit, programs.catches_exit, caught.exits},
    };
    for (const auto& pair : pairs) {
        if (program == pair.catcher) return std::nullopt;
        const uint64_t stood_in = __atomic_load_n(&pair.caught, __ATOMIC_RELAXED);
        if (program == pair.at_function) return missed > stood_in ? missed - stood_in : 0;
    }
    return missed;
}

// Programs in functions (fentry, LSM) are not asked: they note names, and without a note a name is told as it
// was written.
uint64_t all_left_out(const spoor_bpf* skeleton) {
    uint64_t runs = 0;
    const bpf_object_skeleton& programs = *skeleton->skeleton;
    for (int i = 0; i < programs.prog_cnt; ++i) {
        const bpf_program* program = *programs.progs[i].prog;
        if (!bpf_program__autoload(program) || is_in_function(program)) continue;
        bpf_prog_info info{};  // kernels before 5.12 do not fill in what is asked for
        uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
            runs += uncaught(skeleton, program, info.recursion_misses).value_or(0);
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
