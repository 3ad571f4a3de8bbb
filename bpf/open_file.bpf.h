/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Open files: what is done through a descriptor, a mapping or an asynchronous request is known by
 * its struct file, so these paths are exact.
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

/* What open(2) did; without a file another thread has closed it already. */
static __noinline int run_open(struct scratch *scratch, struct spoor_process *process,
                               struct file *file, __u32 open_flags)
{
    struct inode *inode;
    __u32 type, mode;
    __u64 reported = OPEN_HERE | OPEN_PROBE;
    int failed = 0;

    if (!file)
        return 0;
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

/* mprotect(2): a mapping of a file becomes writable or executable. */
struct protect_walk {
    struct spoor_process *process;
    struct file *file; /* of the area at `at` */
    __u64 area_flags;
    __u64 at, area_end, end;
    __u32 prot;
    __u32 reserved;
};

static long on_area(struct task_struct *task, struct vm_area_struct *vma, struct protect_walk *walk)
{
    walk->file = BPF_CORE_READ(vma, vm_file);
    walk->area_flags = BPF_CORE_READ(vma, vm_flags);
    walk->area_end = BPF_CORE_READ(vma, vm_end);
    return 0;
}

static long protect_step(__u32 index, struct protect_walk *walk)
{
    struct spoor_process *process = walk->process;
    long failed;

    if (walk->at >= walk->end)
        return 1;
    failed = bpf_find_vma(bpf_get_current_task_btf(), walk->at, on_area, walk, 0);
    if (failed) {
        /* Another thread is changing the address space. What is made executable has been told as
         * read; a write would go unnoticed. */
        if (failed == -EBUSY && (walk->prot & PROT_WRITE) && (process->flags & SPOOR_PROCESS_MAY_WRITE_MAPS))
            COUNT(process->session, lost_fault);
        return 1;
    }
    if (walk->file) {
        if ((walk->prot & PROT_WRITE) && (walk->area_flags & VM_SHARED_AREA))
            run_file_if_news(process, walk->file, SPOOR_OP_MMAP_WRITE, OPEN_MMAP_WRITE);
        if (walk->prot & PROT_EXEC)
            run_file_if_news(process, walk->file, SPOOR_OP_MMAP_EXEC, OPEN_MMAP_EXEC);
    }
    if (walk->area_end <= walk->at)
        return 1;
    walk->at = walk->area_end;
    return 0;
}

static __always_inline int run_protect(struct spoor_process *process, const struct plan *plan)
{
    struct protect_walk walk = {.process = process,
                                .at = plan->name + UNKNOWN_ZERO,
                                .end = plan->name + plan->name2 + UNKNOWN_ZERO,
                                .prot = plan->flags + UNKNOWN_ZERO,
                                .file = (struct file *)UNKNOWN_ZERO,
                                .area_flags = UNKNOWN_ZERO,
                                .area_end = UNKNOWN_ZERO};

    bpf_loop(65536, protect_step, &walk, 0);
    return 0;
}

/* io_submit(2): requests are told when they are submitted. */
struct aio_walk {
    struct spoor_process *process;
    __u64 requests; /* of the caller: pointers to struct iocb */
    __u32 compat;
    __u32 reserved;
};

static long aio_step(__u32 index, struct aio_walk *walk)
{
    struct spoor_process *process = walk->process;
    /* The middle of struct iocb is enough; a frame has little room. */
    struct {
        __u16 opcode, priority;
        __u32 fildes;
    } request = {};
    enum { offset = __builtin_offsetof(struct iocb, aio_lio_opcode) };
    __u64 address = 0;
    int failed;

    _Static_assert(offset == 16 && __builtin_offsetof(struct iocb, aio_fildes) == offset + 4, "as in linux/aio_abi.h");

    if (walk->compat)
        failed = bpf_probe_read_user(&address, 4, (void *)(walk->requests + index * 4));
    else
        failed = bpf_probe_read_user(&address, 8, (void *)(walk->requests + (__u64)index * 8));
    if (failed || bpf_probe_read_user(&request, sizeof(request), (void *)(address + offset))) {
        COUNT(process->session, lost_fault);
        return 0;
    }
    switch (request.opcode) {
    case IOCB_CMD_PREAD: case IOCB_CMD_PREADV:
        run_file_if_news(process, file_of(request.fildes), SPOOR_OP_READ, OPEN_READ);
        break;
    case IOCB_CMD_PWRITE: case IOCB_CMD_PWRITEV:
        run_file_if_news(process, file_of(request.fildes), SPOOR_OP_WRITE, OPEN_WRITE);
        break;
    }
    return 0;
}

static __always_inline int run_aio(struct spoor_process *process, const struct plan *plan, long submitted)
{
    struct aio_walk walk = {.process = process, .requests = plan->name, .compat = plan->compat + UNKNOWN_ZERO};

    if (submitted > 0)
        bpf_loop(submitted, aio_step, &walk, 0);
    return 0;
}
