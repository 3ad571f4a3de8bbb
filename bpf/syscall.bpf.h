/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The syscall-exit family: what a system call did is known from its number, its arguments and its
 * result when it returns. Descriptors are resolved to their struct file, so those paths are exact;
 * strings are read from the caller's memory after the kernel has read them and are marked lexical.
 */
#pragma once

/* Forgets what was known of this struct file's address: it has just been opened. */
static __always_inline void start_open_file(const struct spoor_process *process, struct file *file, __u64 reported)
{
    struct open_key key = {.file = (__u64)file, .instance = process->instance};
    struct open_state state = {
        .dentry = (__u64)BPF_CORE_READ(file, f_path.dentry),
        .inode = (__u64)BPF_CORE_READ(file, f_inode),
        .reported = reported,
    };

    bpf_map_update_elem(&open_files, &key, &state, BPF_ANY);
}

static __noinline int run_open(struct scratch *scratch, struct spoor_process *process,
                               __u32 fd, __u32 open_flags)
{
    struct file *file = file_of(fd);
    struct inode *inode;
    __u32 type, mode;
    __u64 reported = OPEN_HERE | OPEN_PROBE;
    int failed = 0;

    if (!file)
        return 0; /* closed by another thread already */
    inode = BPF_CORE_READ(file, f_inode);
    type = BPF_CORE_READ(inode, i_mode) & S_IFMT;
    mode = (__u32)BPF_CORE_READ(file, f_mode);
    if (is_kernel_internal(inode))
        return 0;
    set_file(scratch, file);
    if ((mode & FMODE_IS_CREATED) || (open_flags & O_TMPFILE) == O_TMPFILE) {
        failed |= emit_access(scratch, process, SPOOR_OP_CREATE, 0, 0);
    } else {
        failed |= emit_access(scratch, process, SPOOR_OP_PROBE, SPOOR_F_OPEN, 0);
        if ((open_flags & O_TRUNC) && type == S_IFREG)
            failed |= emit_access(scratch, process, SPOOR_OP_TRUNCATE, 0, 0);
    }
    /* Devices and fifos: what passes through them is no file content, that they were opened is. */
    if (type != S_IFREG && type != S_IFDIR) {
        if (mode & FMODE_IS_READ)
            failed |= emit_access(scratch, process, SPOOR_OP_READ, SPOOR_F_INTENT, 0);
        if (mode & FMODE_IS_WRITE)
            failed |= emit_access(scratch, process, SPOOR_OP_WRITE, SPOOR_F_INTENT, 0);
    }
    start_open_file(process, file, failed ? OPEN_HERE : reported);
    return 0;
}

static __noinline int run_fd(struct scratch *scratch, struct spoor_process *process,
                             struct file *file, __u32 op, __u32 bit)
{
    struct open_key key = {.file = (__u64)file, .instance = process->instance};
    struct open_state fresh = {}, *state = bpf_map_lookup_elem(&open_files, &key);
    struct inode *inode = BPF_CORE_READ(file, f_inode);
    __u32 flags = 0;

    fresh.dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
    fresh.inode = (__u64)inode;
    if (state && (state->dentry != fresh.dentry || state->inode != fresh.inode))
        state = NULL;
    if (!state || !(state->reported & OPEN_HERE))
        flags |= SPOOR_F_INHERITED;
    set_file(scratch, file);
    if (emit_access(scratch, process, op, flags, 0))
        return 0;
    if (state)
        __sync_fetch_and_or(&state->reported, bit);
    else {
        fresh.reported = bit;
        bpf_map_update_elem(&open_files, &key, &fresh, BPF_ANY);
    }
    return 0;
}

/* Whether (file, bit) has not been reported: the part of run_fd that every read(2) pays for. */
static __noinline bool is_news(const struct spoor_process *process, struct file *file, __u32 op, __u32 bit)
{
    struct open_key key = {.file = (__u64)file, .instance = process->instance};
    struct open_state *state;
    struct inode *inode;
    __u32 type;

    inode = BPF_CORE_READ(file, f_inode);
    state = bpf_map_lookup_elem(&open_files, &key);
    if (state && (state->reported & bit) && state->inode == (__u64)inode &&
        state->dentry == (__u64)BPF_CORE_READ(file, f_path.dentry))
        return false;
    type = BPF_CORE_READ(inode, i_mode) & S_IFMT;
    if (is_kernel_internal(inode))
        return false;
    return type == S_IFREG || op == SPOOR_OP_METADATA || op == SPOOR_OP_READLINK ||
           (type == S_IFDIR && op != SPOOR_OP_READ && op != SPOOR_OP_WRITE);
}

/* A name could not be read. That is a loss only if the kernel must have read it. */
static __always_inline void count_fault(const struct spoor_process *process, int error)
{
    if (error != EFAULT && error != EBADF && error != EINVAL && error != E2BIG && error != ENOSYS)
        COUNT(process->session, lost_fault);
}

static __noinline int run_name(struct scratch *scratch, struct spoor_process *process,
                               const struct plan *plan, __u32 op, int error)
{
    __u32 flags = plan->flags;

    if (set_name(scratch, plan->dirfd, (const char *)plan->name, plan->kernel_names)) {
        count_fault(process, error);
        return 0;
    }
    if (!scratch->name_len && error)
        return 0; /* an empty name names nothing; a descriptor's failure is none of a path */
    if (scratch->bytes[BASE_END + ((scratch->name_len - 1) & (SPOOR_NAME_MAX - 1))] == '/')
        flags &= ~SPOOR_F_NOFOLLOW; /* the slash at the end made the call follow */
    return emit_access(scratch, process, op, flags, error);
}

static __always_inline int set_second(struct scratch *scratch, const struct plan *plan)
{
    if (plan->kind == PLAN_NAMES)
        return set_name(scratch, plan->dirfd2, (const char *)plan->name2, plan->kernel_names);
    long length;

    clear_path(scratch);
    if (plan->kernel_names)
        length = bpf_probe_read_kernel_str(&scratch->bytes[BASE_END], SPOOR_NAME_MAX, (const char *)plan->name2);
    else
        length = bpf_probe_read_user_str(&scratch->bytes[BASE_END], SPOOR_NAME_MAX, (const char *)plan->name2);
    if (length <= 0)
        return -1;
    scratch->name_len = (length - 1) & (SPOOR_NAME_MAX - 1);
    return 0;
}

/* Two paths: the second goes ahead as an AUX record. Both decide whether this was seen before. */
static __noinline int run_names(struct scratch *scratch, struct spoor_process *process,
                                const struct plan *plan, int error)
{
    struct record record = {.type = SPOOR_EV_AUX, .op = SPOOR_AUX_TO, .time_ns = bpf_ktime_get_boot_ns()};
    struct seen_key key;
    __u64 a, b;
    __u8 one = 1;

    if (set_name(scratch, plan->dirfd, (const char *)plan->name, plan->kernel_names))
        goto fault;
    hash_path(scratch);
    a = scratch->hash_a;
    b = scratch->hash_b;
    if (set_second(scratch, plan))
        goto fault;
    hash_path(scratch);
    scratch->hash_a = (scratch->hash_a ^ (a << 17 | a >> 47)) * 0x9fb21c651e98df25ULL;
    scratch->hash_b = (scratch->hash_b ^ (b << 17 | b >> 47)) * 0xd6e8feb86659fd93ULL;
    key = seen_key_of(scratch, process, plan->op, error);
    if (error && bpf_map_lookup_elem(&seen, &key))
        return 0;
    if (output(scratch, process, &record))
        return 0;
    if (set_name(scratch, plan->dirfd, (const char *)plan->name, plan->kernel_names))
        goto fault;
    record.type = SPOOR_EV_ACCESS;
    record.op = plan->op;
    record.flags = plan->flags;
    record.value = error;
    if (!output(scratch, process, &record) && error)
        bpf_map_update_elem(&seen, &key, &one, BPF_ANY);
    return 0;
fault:
    count_fault(process, error);
    return 0;
}

static __noinline int run_socket(struct scratch *scratch, struct spoor_process *process, const struct plan *plan,
                                 int error)
{
    __u16 family = 0;
    __u32 length = plan->name2;

    clear_path(scratch);
    if (bpf_probe_read_user(&family, sizeof(family), (void *)plan->name) || length > 128)
        return 0;
    if (family != 1 /* AF_UNIX */ && (plan->op == SPOOR_OP_BIND || (family != 2 && family != 10)))
        return 0;
    barrier_var(length);
    length &= 0xff;
    if (bpf_probe_read_user(&scratch->bytes[BASE_END], length, (void *)plan->name))
        return 0;
    scratch->name_len = length;
    scratch->flags = SPOOR_F_SOCKADDR;
    return emit_access(scratch, process, plan->op, 0, error);
}

static __always_inline int run_plan(struct scratch *scratch, struct spoor_process *process,
                               const struct plan *plan, long result)
{
    int error = result < 0 && result >= -4095 ? -result : 0;

    switch (plan->kind) {
    case PLAN_OPEN:
        if (!error)
            return run_open(scratch, process, result, plan->open_flags);
        if (!plan->name)
            return 0; /* a file handle has no name */
        break;
    case PLAN_SOCKET:
        return run_socket(scratch, process, plan, error == EINPROGRESS ? 0 : error);
    case PLAN_CHDIR:
        if (error)
            break;
        set_cwd(scratch);
        return emit_access(scratch, process, SPOOR_OP_PROBE, 0, 0);
    case PLAN_TEXT:
        if (error == ENOENT || error == ENOTDIR)
            break; /* the text is not looked up: it is the link's own name that lacks a directory */
        return run_names(scratch, process, plan, error);
    case PLAN_NAMES:
        return run_names(scratch, process, plan, error);
    }
    if (plan->kind == PLAN_NAME && plan->op == SPOOR_OP_EXEC && !error)
        return 0; /* told by sched_process_exec, with the resolved program */
    return run_name(scratch, process, plan, error == ENOENT || error == ENOTDIR ? SPOOR_OP_ABSENT : plan->op,
                    error);
}

static __noinline int run_file_if_news(struct spoor_process *process, struct file *file, __u32 op, __u32 bit)
{
    struct scratch *scratch;

    if (!file || !is_news(process, file, op, bit))
        return 0;
    scratch = claim_scratch(process->session);
    if (!scratch)
        return 0;
    run_fd(scratch, process, file, op, bit);
    release_scratch(scratch);
    return 0;
}

static __always_inline __u32 bit_of(__u32 op)
{
    if (op == SPOOR_OP_METADATA)
        return OPEN_METADATA;
    return op == SPOOR_OP_READLINK ? OPEN_READLINK : OPEN_PROBE;
}

/* Carries a plan out, now that the call's result is known. */
static __noinline int finish_plan(struct spoor_process *process, const struct plan *plan, long result)
{
    struct scratch *scratch;
    /* An address given by mmap may look negative, but never like an errno. */
    bool success = result >= 0 || result < -4095;

    if (plan->kind == PLAN_FD) {
        if (success)
            run_file_if_news(process, file_of(plan->dirfd), plan->op, plan->bit);
        if (success && plan->shared_write)
            run_file_if_news(process, file_of(plan->dirfd), SPOOR_OP_MMAP_WRITE, OPEN_MMAP_WRITE);
        return 0;
    }
    if (plan->kind == PLAN_FDS) {
        if (success) {
            run_file_if_news(process, file_of(plan->dirfd), SPOOR_OP_READ, OPEN_READ);
            run_file_if_news(process, file_of(plan->dirfd2), SPOOR_OP_WRITE, OPEN_WRITE);
        }
        return 0;
    }
    if (plan->kind == PLAN_NAME && !plan->kernel_names) {
        /* Without a name the descriptor itself is meant: AT_EMPTY_PATH, futimens(3). */
        char first = 0;

        if (!plan->name || (!bpf_probe_read_user(&first, 1, (void *)plan->name) && !first)) {
            if (success && plan->dirfd >= 0)
                run_file_if_news(process, file_of(plan->dirfd), plan->op, bit_of(plan->op));
            if ((success && plan->dirfd != AT_FDCWD) || plan->op == SPOOR_OP_EXEC || !plan->name)
                return 0;
        }
    }
    scratch = claim_scratch(process->session);
    if (!scratch)
        return 0;
    run_plan(scratch, process, plan, result);
    release_scratch(scratch);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long result)
{
    __u32 tgid = bpf_get_current_pid_tgid() >> 32;
    struct spoor_process *process = bpf_map_lookup_elem(&processes, &tgid);
    struct plan plan = {};
    __u64 a[6];
    __s64 nr;

    if (!process)
        return 0;
#if defined(__TARGET_ARCH_x86)
    nr = BPF_CORE_READ(regs, orig_ax);
    if (BPF_CORE_READ(current_task(), thread_info.status) & 2 /* TS_COMPAT */) {
        if (nr < 0 || nr >= 512 || !i386_native[nr])
            return 0;
        nr = i386_native[nr] - 1;
        a[0] = (__u32)BPF_CORE_READ(regs, bx);
        a[1] = (__u32)BPF_CORE_READ(regs, cx);
        a[2] = (__u32)BPF_CORE_READ(regs, dx);
        a[3] = (__u32)BPF_CORE_READ(regs, si);
        a[4] = (__u32)BPF_CORE_READ(regs, di);
        result = (__s32)result;
    } else
#endif
    {
        a[0] = PT_REGS_PARM1_CORE_SYSCALL(regs);
        a[1] = PT_REGS_PARM2_CORE_SYSCALL(regs);
        a[2] = PT_REGS_PARM3_CORE_SYSCALL(regs);
        a[3] = PT_REGS_PARM4_CORE_SYSCALL(regs);
        a[4] = PT_REGS_PARM5_CORE_SYSCALL(regs);
    }
    a[5] = 0;
    make_plan(&plan, nr, a);
    if (plan.kind != PLAN_NONE)
        finish_plan(process, &plan, result);
    return 0;
}
