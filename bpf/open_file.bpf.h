/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Open files: what is done through a descriptor, a mapping or an asynchronous request is known by
 * its struct file, so these paths are exact.
 */
#pragma once

/* One round of each of hash_step's lanes. */
static __always_inline __u64 mixed(__u64 hash, __u64 word)
{
    hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
    return hash ^ hash >> 29;
}

static __always_inline struct seen_set *open_set_of(__u64 session, __u64 instance, __u64 file)
{
    struct bpf_map *table = bpf_map_lookup_elem(&seen, &session);
    __u32 index;

    if (!table)
        return NULL; /* the session has ended meanwhile */
    index = mixed(mixed(hash_seed_b, instance), file) >> 32 & (SPOOR_OPEN_SETS_OF(table->max_entries) - 1);
    return bpf_map_lookup_elem(table, &index);
}

/* The state of this open file without its bits. */
static __noinline __u64 open_state(__u64 instance, struct file *file)
{
    __u64 hash = mixed(mixed(hash_seed_a, instance), (__u64)file);

    hash = mixed(hash, (__u64)BPF_CORE_READ(file, f_path.dentry));
    hash = mixed(hash, (__u64)BPF_CORE_READ(file, f_inode));
    hash = mixed(hash, (__u64)BPF_CORE_READ(file, f_cred)); /* each process opens with its own */
    return hash & ~(__u64)OPEN_BITS;
}

/* What is known of an open file, enum open_bit; 0: nothing. Like those of `seen`, these sets have no lock. */
GLOBAL __u64 known_of(__u64 session, __u64 instance, __u64 file, __u64 state)
{
    struct seen_set *set = open_set_of(session, instance, file);

    if (!set)
        return 0;
#pragma unroll
    for (__u32 i = 0; i < OPEN_WAYS; i++) {
        volatile struct open_file *one = &set->files[i];
        __u64 known;

        if (one->file != file || one->instance != instance)
            continue;
        known = one->state;
        if ((known & ~(__u64)OPEN_BITS) == state)
            return known & OPEN_BITS;
    }
    return 0;
}

/* Whether there is nothing to know of it any more: free, closed, or another file by now. */
static __noinline bool is_over(const struct open_file *one)
{
    __u64 file = one->file;

    return !file || is_closed(file) || open_state(one->instance, (struct file *)file) != (one->state & ~(__u64)OPEN_BITS);
}

/* From now on `state`, bits and all, is what is known of this open file. `opened`: just now, so that whatever was known
 * of its address is over. */
GLOBAL int know(__u64 session, __u64 instance, __u64 file, __u64 state, __u32 opened)
{
    struct seen_set *set = open_set_of(session, instance, file);
    __u32 at = bpf_get_prandom_u32() % OPEN_WAYS;
    volatile struct open_file *one;
    bool found = false, room = false;

    if (!set)
        return 0;
#pragma unroll
    for (__u32 i = 0; i < OPEN_WAYS; i++) {
        one = &set->files[i];
        if (one->file == file && one->instance == instance) {
            if (found)
                one->file = 0; /* two have come at once */
            else
                at = i;
            found = true;
        } else if (!found && !room && ((opened && one->file == file) || is_over(&set->files[i]))) {
            at = i;
            room = true;
        }
    }
    barrier_var(at);
    if (at >= OPEN_WAYS)
        return 0; /* cannot be; tells the verifier */
    one = &set->files[at];
    one->file = file;
    one->instance = instance;
    one->state = state;
    return 0;
}

/* Forgets what was known of this struct file's address: it has just been opened. */
static __always_inline void start_open_file(const struct spoor_process *process, struct file *file, __u64 reported)
{
    know(process->session, process->instance, (__u64)file, open_state(process->instance, file) | reported, true);
}

/* Of a file that a process has just opened, in spoor_process.told_open. The address is used again after close; but each open
 * comes through refuse_file_open, which sets or clears it. */
static __always_inline __u64 opened_key(const struct spoor_process *process, __u64 file)
{
    return file ^ process->instance;
}

/* Whether all that run_open would tell of this file was found to be told when it was opened (refusal.bpf.h), a moment ago and by
 * its path of then: so the path need not be put together once more. O_PATH does not come through that hook. */
static __always_inline bool is_told_open(const struct spoor_process *process, const struct file *file, __u32 open_flags)
{
    return process->refusal && file && process->told_open == opened_key(process, (__u64)file) &&
           !(open_flags & O_TRUNC) && (open_flags & O_TMPFILE) != O_TMPFILE &&
           !((__u32)BPF_CORE_READ(file, f_mode) & (FMODE_IS_CREATED | FMODE_IS_PATH));
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
        failed |= emit_access(ref_of(scratch), SPOOR_OP_CREATE, 0, 0);
    } else {
        failed |= emit_access(ref_of(scratch), SPOOR_OP_PROBE, SPOOR_F_OPEN, 0);
        if ((open_flags & O_TRUNC) && type == S_IFREG)
            failed |= emit_access(ref_of(scratch), SPOOR_OP_TRUNCATE, 0, 0);
    }
    /* Devices and fifos: what passes through them is no file content, that they were opened is. */
    if (type != S_IFREG && type != S_IFDIR) {
        if (mode & FMODE_IS_READ)
            failed |= emit_access(ref_of(scratch), SPOOR_OP_READ, SPOOR_F_INTENT, 0);
        if (mode & FMODE_IS_WRITE)
            failed |= emit_access(ref_of(scratch), SPOOR_OP_WRITE, SPOOR_F_INTENT, 0);
    }
    start_open_file(process, file, failed ? OPEN_HERE : reported);
    return 0;
}

static __noinline int run_fd(struct scratch *scratch, struct spoor_process *process,
                             struct file *file, __u32 op, __u32 bit)
{
    __u64 instance = process->instance, state = open_state(instance, file);
    __u64 known = known_of(process->session, instance, (__u64)file, state);

    set_file(scratch, file);
    if (emit_access(ref_of(scratch), op, known & OPEN_HERE ? 0 : SPOOR_F_INHERITED, 0))
        return 0;
    know(process->session, instance, (__u64)file, state | known | bit, false);
    return 0;
}

/* Whether (file, bit) has not been reported: the part of run_fd that every read(2) pays for. */
static __noinline bool is_news(const struct spoor_process *process, struct file *file, __u32 op, __u32 bit)
{
    struct inode *inode;
    __u64 instance = process->instance;
    __u32 type;

    if (known_of(process->session, instance, (__u64)file, open_state(instance, file)) & bit)
        return false;
    inode = BPF_CORE_READ(file, f_inode);
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
    scratch = claim_scratch(process);
    if (!scratch)
        return 0;
    run_fd(scratch, process, file, op, bit);
    release_scratch(scratch);
    return 0;
}

/* An area of the current process's memory. */
struct area {
    struct file *file;
    __u64 flags;
    __u64 end;
};

#ifdef SPOOR_FLOOR
/* Before bpf_find_vma (5.17): the areas are a red-black tree, until 6.0. Nobody locks it here; so it is only looked at
 * while there is one thread. */
struct vm_area_struct___5_10 {
    unsigned long vm_start, vm_end;
    struct rb_node vm_rb;
} __attribute__((preserve_access_index));
struct mm_struct___5_10 {
    struct rb_root mm_rb;
    atomic_t mm_users;
} __attribute__((preserve_access_index));
#define AREA_DEPTH 64 /* twice the binary logarithm of more areas than memory holds */

static __noinline long find_area(__u64 address, struct area *area)
{
    struct mm_struct___5_10 *mm = (void *)BPF_CORE_READ(current_task(), mm);
    struct rb_node *node = BPF_CORE_READ(mm, mm_rb.rb_node);

    if (BPF_CORE_READ(mm, mm_users.counter) != 1)
        return -EBUSY;
    _Pragma("nounroll") for (int i = 0; i < AREA_DEPTH && node; i++) {
        struct vm_area_struct___5_10 *vma = (void *)node - bpf_core_field_offset(struct vm_area_struct___5_10, vm_rb);

        if (address < BPF_CORE_READ(vma, vm_start)) {
            node = BPF_CORE_READ(node, rb_left);
        } else if (address >= BPF_CORE_READ(vma, vm_end)) {
            node = BPF_CORE_READ(node, rb_right);
        } else {
            area->file = BPF_CORE_READ((struct vm_area_struct *)vma, vm_file);
            area->flags = BPF_CORE_READ((struct vm_area_struct *)vma, vm_flags);
            area->end = BPF_CORE_READ(vma, vm_end);
            return 0;
        }
    }
    return -ENOENT;
}
#else
static long on_area(struct task_struct *task, struct vm_area_struct *vma, struct area *area)
{
    area->file = BPF_CORE_READ(vma, vm_file);
    area->flags = BPF_CORE_READ(vma, vm_flags);
    area->end = BPF_CORE_READ(vma, vm_end);
    return 0;
}

static __always_inline long find_area(__u64 address, struct area *area)
{
    area->file = (struct file *)UNKNOWN_ZERO;
    area->flags = area->end = UNKNOWN_ZERO;
    return bpf_find_vma(bpf_get_current_task_btf(), address, on_area, area, 0);
}
#endif

/* A stretch of memory: the number of its first page of 4 KiB, and in the lower 28 bits of how many. 0: nothing. */
#define STRETCH_PAGES ((1ull << 28) - 1)
#define STRETCH_ALL (~0ull) /* or more than these bits can tell */

static __always_inline __u64 stretch_between(__u64 first, __u64 end)
{
    return first >> 36 || end - first >= STRETCH_PAGES ? STRETCH_ALL : first << 28 | (end - first);
}

GLOBAL __u64 stretch_of(__u64 address, __u64 length)
{
    return stretch_between(address >> 12, ((address + (length ? length - 1 : 0)) >> 12) + 1);
}

static __always_inline __u64 stretch_end(__u64 stretch) { return (stretch >> 28) + (stretch & STRETCH_PAGES); }

GLOBAL int do_meet(__u64 a, __u64 b)
{
    if (!a || !b)
        return 0;
    return a == STRETCH_ALL || b == STRETCH_ALL || (a >> 28 < stretch_end(b) && b >> 28 < stretch_end(a));
}

GLOBAL __u64 stretch_over(__u64 a, __u64 b)
{
    if (!a || !b)
        return a | b;
    if (a == STRETCH_ALL || b == STRETCH_ALL)
        return STRETCH_ALL;
    return stretch_between(a < b ? a >> 28 : b >> 28, stretch_end(a) > stretch_end(b) ? stretch_end(a) : stretch_end(b));
}

/* The current process's stretch reaches over another one as well; several threads may come at once. */
GLOBAL int add_stretch(__u64 more)
{
    struct spoor_process *process = current_process();

    if (!process)
        return 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        __u64 old = *(volatile __u64 *)&process->may_write, with = stretch_over(old, more);

        if (with == old || replace(&process->may_write, old, with))
            return 0;
    }
    process->may_write = STRETCH_ALL;
    return 0;
}

/* mprotect(2): a mapping of a file becomes writable or executable. */
static __always_inline long protect_step(struct scratch *scratch)
{
    struct protect_walk *walk = &scratch->protect;
    struct spoor_process *process = &scratch->who;
    __u32 prot = walk->prot;
    struct area area = {};
    long failed;

    if (walk->at >= walk->end)
        return 1;
    failed = find_area(walk->at, &area);
    if (failed) {
        /* Another thread is changing the address space. What is made executable has been told as
         * read; a write to a file would go unnoticed. */
        if (failed == -EBUSY && (prot & PROT_WRITE) &&
            do_meet(process->may_write, stretch_of(walk->at, walk->end - walk->at)))
            COUNT(process->session, lost_fault);
        walk->done = 1;
        return 1;
    }
    if (area.file) {
        if ((prot & PROT_WRITE) && (area.flags & VM_SHARED_AREA))
            run_file_if_news(process, area.file, SPOOR_OP_MMAP_WRITE, OPEN_MMAP_WRITE);
        if (prot & PROT_EXEC)
            run_file_if_news(process, area.file, SPOOR_OP_MMAP_EXEC, OPEN_MMAP_EXEC);
    }
    if (area.end <= walk->at) {
        walk->done = 1;
        return 1;
    }
    walk->at = area.end;
    return 0;
}
REPEATED(protect, 65536, 2, 256)

static __always_inline int run_protect(struct scratch *scratch, const struct plan *plan)
{
    struct protect_walk *walk = &scratch->protect;

    walk->at = plan->name;
    walk->end = plan->name + plan->name2;
    walk->prot = plan->flags;
    walk->done = 0;
    protect_steps(scratch);
    if (!walk->done && walk->at < walk->end)
        COUNT(scratch->who.session, lost_fault);
    return 0;
}

/* io_submit(2): requests are told when they are submitted. */
static __always_inline long aio_step(struct scratch *scratch)
{
    struct spoor_process *process = &scratch->who;
    struct aio_walk *walk = &scratch->aio;
    /* The middle of struct iocb is enough; a frame has little room. */
    struct {
        __u16 opcode, priority;
        __u32 fildes;
    } request = {};
    enum { offset = __builtin_offsetof(struct iocb, aio_lio_opcode) };
    __u64 address = 0;
    __u32 at = walk->at;
    int failed;

    _Static_assert(offset == 16 && __builtin_offsetof(struct iocb, aio_fildes) == offset + 4, "as in linux/aio_abi.h");

    if (at >= walk->count)
        return 1;
    walk->at = at + 1;
    if (walk->compat)
        failed = bpf_probe_read_user(&address, 4, (void *)(walk->requests + (__u64)at * 4));
    else
        failed = bpf_probe_read_user(&address, 8, (void *)(walk->requests + (__u64)at * 8));
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
REPEATED(aio, 1 << 23, 4, 256)

static __always_inline int run_aio(struct scratch *scratch, const struct plan *plan, long submitted)
{
    struct aio_walk *walk = &scratch->aio;

    if (submitted <= 0)
        return 0;
    walk->requests = plan->name;
    walk->at = 0;
    walk->count = submitted;
    walk->compat = plan->compat;
    aio_steps(scratch);
    if (walk->at < walk->count)
        COUNT(scratch->who.session, lost_fault);
    return 0;
}
