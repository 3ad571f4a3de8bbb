/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the registers of a thread in a system call say: the call's number and arguments, and whether a 32-bit program
 * makes it. All that depends on the architecture, but the numbers, is here; vmlinux.h is x86-64's on each of them, for
 * the types that programs walk are relocated, and those that x86-64 lacks stand here.
 */
#pragma once

#include "syscall_numbers.bpf.h"

#if defined(__TARGET_ARCH_x86)
/* Of a function of the kernel's, at its entry. */
static __always_inline __u64 first_parameter(const struct pt_regs *regs) { return regs->di; }
static __always_inline __u64 second_parameter(const struct pt_regs *regs) { return regs->si; }

/* Also after the call has returned. */
static __always_inline __s32 call_number(struct pt_regs *regs) { return BPF_CORE_READ(regs, orig_ax); }

/* The arguments of a call by an i386 program, as its native counterpart has them. Returns the native
 * number, or -1 for a call that does nothing to a file. */
static __noinline __s64 i386_call(struct pt_regs *regs, __s64 nr, __u64 *a)
{
    __u32 in_memory[6] = {};

    a[0] = (__u32)regs->bx;
    a[1] = (__u32)regs->cx;
    a[2] = (__u32)regs->dx;
    a[3] = (__u32)regs->si;
    a[4] = (__u32)regs->di;
    a[5] = (__u32)regs->bp;
    if (nr == I386_mmap || nr == I386_socketcall) {
        __u64 call = a[0];

        if (bpf_probe_read_user(in_memory, sizeof(in_memory), (void *)(nr == I386_mmap ? a[0] : a[1])))
            return -1; /* so could not the kernel */
#pragma unroll
        for (int i = 0; i < 6; i++)
            a[i] = in_memory[i];
        if (nr == I386_mmap)
            return NR_mmap;
        return call < 32 ? i386_socketcall[call] - 1 : -1;
    }
    return nr >= 0 && nr < 512 ? i386_native[nr] - 1 : -1;
}

/* The current call: its native number, or -1, and its arguments. The kernel keeps all of the register with the number, but
 * takes only its lower half for it (since 5.14, and 5.10.y by now). */
static __always_inline __s64 current_call(struct pt_regs *regs, __u64 *a, bool *compat)
{
    *compat = thread_status() & 2 /* TS_COMPAT */;
    if (*compat)
        return i386_call(regs, (__s32)regs->orig_ax, a);
    a[0] = regs->di;
    a[1] = regs->si;
    a[2] = regs->dx;
    a[3] = regs->r10;
    a[4] = regs->r8;
    a[5] = regs->r9;
    return (__s32)regs->orig_ax;
}
#elif defined(__TARGET_ARCH_arm64)
/* arch/arm64/include/asm/ptrace.h: the part that is used. */
struct pt_regs___of_arm64 {
    __u64 regs[31];
    __u64 orig_x0;
    __s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline __u64 first_parameter(const struct pt_regs *regs)
{
    return ((const struct pt_regs___of_arm64 *)regs)->regs[0];
}
static __always_inline __u64 second_parameter(const struct pt_regs *regs)
{
    return ((const struct pt_regs___of_arm64 *)regs)->regs[1];
}

static __always_inline __s32 call_number(struct pt_regs *regs)
{
    return BPF_CORE_READ((struct pt_regs___of_arm64 *)regs, syscallno);
}

/* A function of its own, so that the verifier sees the number that is compared be the one that is the index. */
static __noinline __s64 arm_call(__u64 nr) { return nr < 512 ? arm_native[nr] - 1 : -1; }

/* The current call: its native number, or -1, and its arguments. The result takes the first one's register. 32-bit
 * programs pass theirs in the same registers' lower halves, but have another table. */
static __always_inline __s64 current_call(struct pt_regs *given, __u64 *a, bool *compat)
{
    struct pt_regs___of_arm64 *regs = (struct pt_regs___of_arm64 *)given;
    __s64 nr = regs->syscallno;

    *compat = bpf_get_current_task_btf()->thread_info.flags & 1u << 22 /* TIF_32BIT */;
    a[0] = regs->orig_x0;
    a[1] = regs->regs[1];
    a[2] = regs->regs[2];
    a[3] = regs->regs[3];
    a[4] = regs->regs[4];
    a[5] = regs->regs[5];
    if (*compat) {
        for (int i = 0; i < 6; i++)
            a[i] = (__u32)a[i];
        return arm_call(nr);
    }
    return nr < NR_FIRST_COMPAT_ONLY ? nr : -1;
}
#endif
