// A program that does nothing, to try what the kernel takes before ours are loaded.
#pragma once

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <iterator>

#include "base/unique_fd.h"

namespace spoor::bpf {

// Empty if the kernel refuses it; errno says why.
inline UniqueFd load_trial(bpf_prog_type type, const bpf_prog_load_opts& options) {
    const bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    return UniqueFd(
        bpf_prog_load(type, "spoor_trial", "Dual BSD/GPL", nothing, std::size(nothing), &options));
}

}  // namespace spoor::bpf
