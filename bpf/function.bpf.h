/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * For kernels whose tracepoints leave preemption on (drift.bpf.h): the programs of system calls and processes at functions
 * of the kernel's instead (kprobe.multi), where it is off, so that no task comes to a program in the middle of another's
 * run. Loader (functions.h), which has the functions; the programs at the tracepoints are then left out.
 */
#pragma once

/* The function that has the tracepoint sys_exit in it. It is called only while something is at that tracepoint or at sys_enter. */
SEC("?kprobe.multi")
int at_sys_exit(struct pt_regs *ctx)
{
    return call_ended(current_registers(), second_parameter(ctx));
}

/* That one is left out while somebody on this processor has been interrupted in a bpf(2) call on a map; this one, at the
 * tracepoint in the function, is not then. How often it has stood in tells how often nobody did (left_out.cc). */
extern const int bpf_prog_active __ksym __weak;
__u64 calls_caught;

SEC("?tp_btf/sys_exit")
int BPF_PROG(catches_sys_exit, struct pt_regs *regs, long result)
{
#ifndef SPOOR_FLOOR
    const int *active = bpf_this_cpu_ptr(&bpf_prog_active);

    if (!*active)
        return 0;
    __sync_fetch_and_add(&calls_caught, 1);
    return call_ended(regs, result);
#else
    return 0;
#endif
}

/* The calls themselves of which something is noted at their entry. */
SEC("?kprobe.multi")
int at_sys_enter(struct pt_regs *ctx)
{
    struct pt_regs *regs = current_registers();

    return call_begins(regs, call_number(regs));
}

/* The child does not run yet. */
SEC("?kprobe.multi")
int at_fork(struct pt_regs *ctx)
{
    return forked(current_task(), (struct task_struct *)first_parameter(ctx));
}

/* At the end of an execve that cannot fail any more. */
SEC("?kprobe.multi")
int at_exec(struct pt_regs *ctx)
{
    return executed(current_task(), (struct linux_binprm *)first_parameter(ctx));
}

SEC("?kprobe.multi")
int at_exit(struct pt_regs *ctx)
{
    return exiting((struct task_struct *)first_parameter(ctx));
}
