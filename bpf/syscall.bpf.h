/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The syscall-exit family: what a system call did is known from its number, its arguments and its
 * result when it returns. Descriptors are resolved to their struct file, so those paths are exact;
 * strings are read from the caller's memory after the kernel has read them and are marked lexical.
 */
#pragma once

/* A name could not be read. That is a loss only if the kernel must have read it. */
static __always_inline void count_fault(const struct spoor_process *process, int error)
{
    if (error != EFAULT && error != EBADF && error != EINVAL && error != E2BIG && error != ENOSYS)
        COUNT(process->session, lost_fault);
}

/* Whether what the names of a call that succeeded counted from may not be known any more. */
static __always_inline bool lacks_base(const struct plan *plan, int error)
{
    return !notes_bases && !error && (plan->name_flags & NAME_AT_ENTRY);
}

static __noinline int run_name(struct scratch *scratch, struct spoor_process *process,
                               const struct plan *plan, __u32 op, int error)
{
    __u32 flags = plan->flags;

    /* In an exec it would be TOMOYO that has looked a name up, and its last component not followed. */
    if (resolves_names && (plan->name_flags & NAME_NOTED) && op != SPOOR_OP_ABSENT && op != SPOOR_OP_EXEC &&
        !take_note(ref_of(scratch), 0))
        return emit_access(ref_of(scratch), op, flags & ~SPOOR_F_NOFOLLOW, error);
    if (lacks_base(plan, error) || set_name(ref_of(scratch), plan->dirfd, plan->name, plan->name_flags)) {
        count_fault(process, error);
        return 0;
    }
    if (!scratch->name_len) {
        if (error)
            return 0; /* an empty name names nothing; a descriptor's failure is none of a path */
        if (!(plan->name_flags & (NAME_MAY_BE_EMPTY | NAME_KERNEL))) {
            count_fault(process, 0); /* it was another one when the kernel read it */
            return 0;
        }
    }
    if (scratch->bytes[BASE_END + ((scratch->name_len - 1) & (SPOOR_NAME_MAX - 1))] == '/')
        flags &= ~SPOOR_F_NOFOLLOW; /* the slash at the end made the call follow */
    return emit_access(ref_of(scratch), op, flags, error);
}

/* One name of two, as it was resolved or else as the caller wrote it. */
static __always_inline int set_either(struct scratch *scratch, const struct plan *plan, bool second, int error)
{
    if (resolves_names && (plan->name_flags & NAME_NOTED) && !take_note(ref_of(scratch), second))
        return 0;
    if (lacks_base(plan, error))
        return -1;
    return second ? set_name(ref_of(scratch), plan->dirfd2, plan->name2, plan->name_flags | NAME_SECOND)
                  : set_name(ref_of(scratch), plan->dirfd, plan->name, plan->name_flags);
}

static __always_inline int set_second(struct scratch *scratch, const struct plan *plan, int error)
{
    if (plan->kind == PLAN_NAMES)
        return set_either(scratch, plan, true, error);
    long length;

    clear_path(scratch);
    length = read_string(&scratch->bytes[BASE_END], SPOOR_NAME_MAX, (const void *)plan->name2,
                         plan->name_flags & NAME_KERNEL);
    if (length <= 0)
        return -1;
    scratch->name_len = (length - 1) & (SPOOR_NAME_MAX - 1);
    return 0;
}

/* Two paths: the second goes ahead as an AUX record. Both decide whether this was seen before. */
static __noinline int run_names(struct scratch *scratch, struct spoor_process *process,
                                const struct plan *plan, int error)
{
    __u32 lexical;
    __u64 a, b;

    if (set_either(scratch, plan, false, error))
        goto fault;
    lexical = scratch->flags & SPOOR_F_LEXICAL;
    hash_path(ref_of(scratch));
    a = scratch->hash_a;
    b = scratch->hash_b;
    if (set_second(scratch, plan, error))
        goto fault;
    lexical |= scratch->flags & SPOOR_F_LEXICAL;
    hash_path(ref_of(scratch));
    scratch->hash_a = (scratch->hash_a ^ (a << 17 | a >> 47)) * 0x9fb21c651e98df25ULL;
    scratch->hash_b = (scratch->hash_b ^ (b << 17 | b >> 47)) * 0xd6e8feb86659fd93ULL;
    set_key(scratch, plan->op, plan->flags, error);
    if (error && was_seen(ref_of(scratch)))
        return 0;
    scratch->record =
        (struct record){.type = SPOOR_EV_AUX, .op = SPOOR_AUX_TO, .time_ns = bpf_ktime_get_boot_ns()};
    if (output(ref_of(scratch)) < 0)
        return 0;
    if (set_either(scratch, plan, false, error))
        goto fault;
    scratch->record.type = SPOOR_EV_ACCESS;
    scratch->record.op = plan->op;
    scratch->record.flags = lexical ? plan->flags : plan->flags & ~SPOOR_F_NOFOLLOW;
    scratch->record.value = error;
    if (!output(ref_of(scratch)) && error)
        mark_seen(ref_of(scratch));
    return 0;
fault:
    count_fault(process, error);
    return 0;
}

static __always_inline int run_plan(struct scratch *scratch, struct spoor_process *process,
                               const struct plan *plan, long result)
{
    int error = result < 0 && result >= -4095 ? -result : 0;

    switch (plan->kind) {
    case PLAN_OPEN:
        if (!error)
            return run_open(scratch, process, file_of(result), plan->open_flags);
        if (!plan->name)
            return 0; /* a file handle has no name */
        break;
    case PLAN_SOCKET:
        return run_socket(scratch, plan, error == EINPROGRESS ? 0 : error);
    case PLAN_CHDIR:
        if (error)
            break;
        set_cwd(scratch);
        return emit_access(ref_of(scratch), SPOOR_OP_PROBE, 0, 0);
    case PLAN_TEXT:
        if (is_absence(error))
            break; /* the text is not looked up: it is the link's own name that lacks a directory */
        return run_names(scratch, process, plan, error);
    case PLAN_NAMES:
        return run_names(scratch, process, plan, error);
    }
    if (plan->kind == PLAN_NAME && plan->op == SPOOR_OP_EXEC && !error)
        return 0; /* told by sched_process_exec, with the resolved program */
    return run_name(scratch, process, plan, is_absence(error) ? SPOOR_OP_ABSENT : plan->op,
                    error);
}

/* An address that a call has returned. */
static __always_inline __u64 given_address(const struct plan *plan, long result)
{
    return plan->compat ? (__u32)result : result;
}

/* A shared mapping: written through, or by mprotect(2) made to be. */
static __noinline int run_shared(struct spoor_process *process, const struct plan *plan, long result)
{
    struct file *file = file_of(plan->dirfd);

    if (plan->shared == SHARED_WRITES)
        return run_file_if_news(process, file, SPOOR_OP_MMAP_WRITE, OPEN_MMAP_WRITE);
    if (file && ((__u32)BPF_CORE_READ(file, f_mode) & FMODE_IS_WRITE))
        add_stretch(stretch_of(given_address(plan, result), plan->name2));
    return 0;
}

/* mremap(2): if it may have been one of those, that is where it lies from now on. */
static __noinline int run_move(struct spoor_process *process, const struct plan *plan, long result)
{
    if (do_meet(process->may_write, stretch_of(plan->name, plan->name2)))
        add_stretch(stretch_of(given_address(plan, result), plan->name2));
    return 0;
}

static __always_inline __u32 bit_of(__u32 op)
{
    if (op == SPOOR_OP_METADATA)
        return OPEN_METADATA;
    return op == SPOOR_OP_READLINK ? OPEN_READLINK : OPEN_PROBE;
}

/* An address given by mmap may look negative, but never like an errno. */
static __always_inline bool is_success(long result) { return result >= 0 || result < -4095; }

/* The plans that are loops. Their steps lie deep; so they do not lie below finish_plan: all frames of a
 * chain of calls have 512 bytes together, each rounded up to 32 before Linux 6.8. */
static __noinline int finish_loop(struct spoor_process *process, const struct plan *plan, long result)
{
    struct scratch *scratch = claim_scratch(process);

    if (!scratch)
        return 0;
    if (plan->kind == PLAN_AIO)
        run_aio(scratch, plan, result);
    else if (plan->kind == PLAN_MESSAGES)
        run_messages(scratch, plan, result);
    else if (is_success(result))
        run_protect(scratch, plan);
    release_scratch(scratch);
    return 0;
}

static __always_inline bool is_loop(const struct plan *plan)
{
    return plan->kind == PLAN_PROTECT || plan->kind == PLAN_AIO || plan->kind == PLAN_MESSAGES;
}

/* Calls that look names up. */
static __always_inline bool has_notes(const struct plan *plan)
{
    return plan->kind == PLAN_NAME || plan->kind == PLAN_NAMES || plan->kind == PLAN_TEXT || plan->kind == PLAN_OPEN ||
           plan->kind == PLAN_SOCKET || plan->kind == PLAN_CHDIR;
}

/* Carries a plan out that is no loop, now that the call's result is known. */
static __noinline int finish_plan(struct spoor_process *process, const struct plan *plan, long result)
{
    struct scratch *scratch;
    bool success = is_success(result);

    if (plan->kind == PLAN_FD) {
        if (success)
            run_file_if_news(process, file_of(plan->dirfd), plan->op, plan->bit);
        if (success && plan->shared)
            run_shared(process, plan, result);
        return 0;
    }
    if (plan->kind == PLAN_MOVE)
        return success ? run_move(process, plan, result) : 0;
    if (plan->kind == PLAN_FDS) {
        if (success) {
            if (plan->dirfd == -1)
                COUNT(process->session, lost_fault);
            run_file_if_news(process, file_of(plan->dirfd), SPOOR_OP_READ, OPEN_READ);
            run_file_if_news(process, file_of(plan->dirfd2), SPOOR_OP_WRITE, OPEN_WRITE);
        }
        return 0;
    }
    if (plan->kind == PLAN_NAME && !(plan->name_flags & NAME_AT_ENTRY)) {
        /* Without a name the descriptor itself is meant: AT_EMPTY_PATH, futimens(3). */
        char first = 0;

        if (!plan->name || ((plan->name_flags & NAME_MAY_BE_EMPTY) &&
                            !bpf_probe_read_user(&first, 1, (void *)plan->name) && !first)) {
            if (success && plan->dirfd >= 0)
                run_file_if_news(process, file_of(plan->dirfd), plan->op, bit_of(plan->op));
            if ((success && plan->dirfd != AT_FDCWD) || plan->op == SPOOR_OP_EXEC || !plan->name)
                return 0;
        }
    }
    if (plan->kind == PLAN_OPEN && success && process->refusal) {
        struct file *file = file_of(result);

        if (is_told_open(process, file, plan->open_flags)) {
            start_open_file(process, file, OPEN_HERE | OPEN_PROBE);
            return 0;
        }
    }
    scratch = claim_scratch(process);
    if (!scratch)
        return 0;
    run_plan(scratch, process, plan, result);
    release_scratch(scratch);
    if (notes_bases && (plan->name_flags & NAME_AT_ENTRY))
        forget_entry();
    return 0;
}

/* Notes what a name that the call is about to take counts from, if it is relative. */
static __noinline int note_base(struct spoor_process *process, int dirfd, const char *name, bool second)
{
    struct entry_key key = {.thread = bpf_get_current_pid_tgid(), .second = second};
    struct scratch *scratch;
    char first = 0;

    /* A page that nobody has touched yet cannot be read here; the kernel will bring it in. */
    if (!bpf_probe_read_user(&first, 1, name) && first == '/')
        return 0;
    scratch = claim_scratch(process);
    if (!scratch)
        return 0;
    clear_path(scratch);
    /* Without it the name is told as if it counted from where it does when the call is over: maybe somewhere else. */
    if (set_dir_base(scratch, dirfd) && keep_entry_base(scratch, &key))
        COUNT(process->session, lost_scratch);
    release_scratch(scratch);
    return 0;
}

static __always_inline int call_begins(struct pt_regs *regs, long id)
{
    struct spoor_process *process;
    bool compat;
    __u64 a[6];

    /* Of all calls, quickly: may it be one of those below, in either table? */
    switch (id) {
    case NR_rename: case NR_renameat: case NR_renameat2: case NR_chroot:
#if defined(__TARGET_ARCH_x86)
    case I386_rename: case I386_renameat: case I386_renameat2: case I386_chroot:
#elif defined(__TARGET_ARCH_arm64)
    /* ARM's rename has the number of renameat. */
    case ARM_renameat: case ARM_renameat2: case ARM_chroot:
#endif
        break;
    default:
        return 0;
    }
    process = current_process();
    if (!process)
        return 0;
    switch (current_call(regs, a, &compat)) {
    case NR_chroot:
        note_base(process, AT_FDCWD, (const char *)a[0], false);
        break;
    case NR_rename:
        note_base(process, AT_FDCWD, (const char *)a[0], false);
        note_base(process, AT_FDCWD, (const char *)a[1], true);
        break;
    case NR_renameat: case NR_renameat2:
        note_base(process, a[0], (const char *)a[1], false);
        note_base(process, a[2], (const char *)a[3], true);
        break;
    }
    return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
    return call_begins(regs, id);
}

static __always_inline int call_ended(struct pt_regs *regs, long result)
{
    struct spoor_process *process = current_process();
    struct plan plan;
    bool compat;
    __u64 a[6];
    __s64 nr;

    if (!process)
        return 0;
    plan = (struct plan){};
    nr = current_call(regs, a, &compat);
    if (nr < 0)
        return 0;
    if (compat) {
        plan.compat = 1;
        result = (__s32)result;
    }
    if (!uring_is_told && nr == NR_io_uring_setup && result >= 0)
        COUNT(process->session, lost_fault); /* nothing that it does from now on is told */
    make_plan(&plan, nr, a);
    plan.name_flags |= NAME_NOTED | UNKNOWN_ZERO;
    if (is_loop(&plan))
        finish_loop(process, &plan, result);
    else if (plan.kind != PLAN_NONE)
        finish_plan(process, &plan, result);
    if (has_notes(&plan))
        forget_notes();
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
    return call_ended(regs, result);
}
