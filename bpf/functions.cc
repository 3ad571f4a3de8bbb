#include "bpf/functions.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <vector>

#include "base/unique_fd.h"
#include "bpf/trial.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

struct Place {
    bpf_program* at_tracepoint;
    bpf_program* at_function;
    bpf_link** link;  // of the latter
    std::vector<const char*> functions;
};

// Linux 7.2's names. Calls of 32-bit programs have functions of their own.
std::vector<Place> places_of(spoor_bpf* skeleton) {
    auto& programs = skeleton->progs;
    auto& links = skeleton->links;
    return {
        {programs.on_sys_exit, programs.at_sys_exit, &links.at_sys_exit, {"trace_syscall_exit"}},
        {programs.on_sys_enter,
         programs.at_sys_enter,
         &links.at_sys_enter,
         {"__x64_sys_rename", "__x64_sys_renameat", "__x64_sys_renameat2", "__x64_sys_chroot",
          "__ia32_sys_rename", "__ia32_sys_renameat", "__ia32_sys_renameat2", "__ia32_sys_chroot"}},
        {programs.on_fork, programs.at_fork, &links.at_fork, {"wake_up_new_task"}},
        {programs.on_exec, programs.at_exec, &links.at_exec, {"finalize_exec"}},
        {programs.on_exit, programs.at_exit, &links.at_exit, {"taskstats_exit"}},
    };
}

bool has_function(const btf* types, const char* name) {
    return btf__find_by_name_kind(types, name, BTF_KIND_FUNC) > 0;
}

// By a program that does nothing, at all of them at once.
bool takes_program(const std::vector<Place>& places) {
    bpf_prog_load_opts options{};
    options.sz = sizeof options;
    options.expected_attach_type = BPF_TRACE_KPROBE_MULTI;
    const UniqueFd program = load_trial(BPF_PROG_TYPE_KPROBE, options);
    if (!program) return false;
    std::vector<const char*> functions;
    for (const Place& place : places)
        functions.insert(functions.end(), place.functions.begin(), place.functions.end());
    bpf_link_create_opts where{};
    where.sz = sizeof where;
    where.kprobe_multi.syms = functions.data();
    where.kprobe_multi.cnt = static_cast<uint32_t>(functions.size());
    return static_cast<bool>(UniqueFd(bpf_link_create(program.get(), 0, BPF_TRACE_KPROBE_MULTI, &where)));
}

}  // namespace

void choose_functions(spoor_bpf* skeleton, const btf* types) {
    const std::vector<Place> places = places_of(skeleton);
    const auto there = [types](const Place& place) {
        return std::ranges::all_of(place.functions,
                                   [types](const char* name) { return has_function(types, name); });
    };
    if (!types || !std::ranges::all_of(places, there) || !takes_program(places)) return;
    for (const Place& place : places) {
        bpf_program__set_autoload(place.at_tracepoint, false);
        bpf_program__set_autoload(place.at_function, true);
    }
    for (bpf_program* catcher : {skeleton->progs.catches_sys_exit, skeleton->progs.catches_fork,
                                 skeleton->progs.catches_exec, skeleton->progs.catches_exit})
        bpf_program__set_autoload(catcher, true);
}

Status attach_to_functions(spoor_bpf* skeleton) {
    for (Place& place : places_of(skeleton)) {
        if (!bpf_program__autoload(place.at_function) || *place.link) continue;
        bpf_kprobe_multi_opts where{};
        where.sz = sizeof where;
        where.syms = place.functions.data();
        where.cnt = place.functions.size();
        *place.link = bpf_program__attach_kprobe_multi_opts(place.at_function, nullptr, &where);
        if (!*place.link) return errno_error(std::string("attach ") + bpf_program__name(place.at_function));
    }
    return {};
}

}  // namespace spoor::bpf
