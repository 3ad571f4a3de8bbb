/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where kernels above the floor differ, and since when. Each entry names the version at which it changed; which way a
 * kernel has it is asked of its type information (here, or in fit_kernel.cc and hooks.cc), never of its number.
 *
 * Without an entry of its own: before 6.8 the frames of calls are rounded up to 32 bytes each, 512 in all. So steps
 * of loops that lie deep get a chain of calls to themselves (finish_loop in syscall.bpf.h).
 *
 * 7.2 (not 6.18) finds out beforehand which bytes of a stack are still read, and refuses a read that it has not found
 * ("slot poisoned by dead code elimination"). It does not find what a callback's callee's callee reads through a pointer
 * to the callback's stack. So run_absent_socket, below message_step, gets values.
 */
#pragma once

/*
 * Linux 5.10 to 5.16 get an object of their own from these sources, compiled with SPOOR_FLOOR: what is missing there is
 * refused before dead code is removed, so it cannot be chosen at load. What they take instead is next; beside it, the
 * search for a memory area is in open_file.bpf.h, and refusal in place is left out (refusal.bpf.h).
 */

/* The verifier takes such a function by itself, once, and not at every call. Its arguments are numbers and, since 5.12
 * only, pointers into maps and stacks, which it takes to be possibly NULL. So buffers are handed to it by their numbers
 * before, and what it works on is in its buffer. */
#define GLOBAL __noinline
#ifdef SPOOR_FLOOR
typedef __u32 scratch_ref;
#else
typedef struct scratch *scratch_ref;
#endif

/* Defines NAME_steps(scratch), which has NAME_step(scratch) run until it returns something else than 0, `times` at most.
 * What a step has to remember is in the scratch, and so is, for the caller, whether the end was reached. bpf_loop came
 * with 5.17. Before, `chunk` steps are a function, so that `chunks` calls of it cost the verifier next to nothing. */
#ifdef SPOOR_FLOOR
#define REPEATED(name, times, chunk, chunks)                                                                       \
    GLOBAL int name##_some(scratch_ref ref)                                                                        \
    {                                                                                                              \
        struct scratch *scratch = scratch_of(ref);                                                                 \
                                                                                                                   \
        if (!scratch)                                                                                              \
            return 1;                                                                                              \
        _Pragma("nounroll") for (__u32 i = 0; i < (chunk); i++) if (name##_step(scratch)) return 1;                \
        return 0;                                                                                                  \
    }                                                                                                              \
    static __always_inline void name##_steps(struct scratch *scratch)                                              \
    {                                                                                                              \
        _Pragma("nounroll") for (__u32 i = 0; i < (chunks); i++) if (name##_some(ref_of(scratch))) return;         \
    }
#else
#define REPEATED(name, times, chunk, chunks)                                                                       \
    static long name##_again(__u32 index, struct scratch **scratch)                                                \
    {                                                                                                              \
        return name##_step(*scratch);                                                                              \
    }                                                                                                              \
    static __always_inline void name##_steps(struct scratch *scratch)                                              \
    {                                                                                                              \
        bpf_loop(times, name##_again, &scratch, 0);                                                                \
    }
#endif

/* Atomic instructions but addition, whose result is not told, came with 5.12. Of several who add at once none may find
 * itself alone, but never two. */
#ifdef SPOOR_FLOOR
static __always_inline void release(__u32 *busy) { __sync_fetch_and_add(busy, -1); }
static __always_inline bool claim(__u32 *busy)
{
    __sync_fetch_and_add(busy, 1);
    if (*(volatile __u32 *)busy == 1)
        return true;
    release(busy);
    return false;
}
#else
static __always_inline bool claim(__u32 *busy) { return !__sync_lock_test_and_set(busy, 1); }
static __always_inline void release(__u32 *busy) { __sync_lock_test_and_set(busy, 0); }
#endif

/* For want of these nobody is told apart before being looked up (`recorded`), and nothing is known of memory but that there is
 * some (add_stretch). */
#ifdef SPOOR_FLOOR
#define HAS_BIT_ATOMICS 0
static __always_inline void set_bits(__u64 *word, __u64 bits, bool set) {}
static __always_inline bool replace(__u64 *word, __u64 old, __u64 with) { return false; }
#else
#define HAS_BIT_ATOMICS 1
static __always_inline void set_bits(__u64 *word, __u64 bits, bool set)
{
    if (set)
        __sync_fetch_and_or(word, bits);
    else
        __sync_fetch_and_and(word, ~bits);
}
static __always_inline bool replace(__u64 *word, __u64 old, __u64 with)
{
    return __sync_val_compare_and_swap(word, old, with) == old;
}
#endif

static __always_inline struct task_struct *current_task(void)
{
    return (struct task_struct *)bpf_get_current_task();
}

/* What a thread of a 32-bit program has set while it is in a call, on x86: TS_COMPAT. bpf_get_current_task_btf came with 5.11,
 * bpf_task_pt_regs with 5.15: the registers are at the end of the thread's stack, of four pages on x86. */
#ifdef SPOOR_FLOOR
static __always_inline __u32 thread_status(void) { return BPF_CORE_READ(current_task(), thread_info.status); }
static __always_inline struct pt_regs *current_registers(void)
{
    return BPF_CORE_READ(current_task(), stack) + 4 * 4096 - bpf_core_type_size(struct pt_regs);
}
#else
static __always_inline __u32 thread_status(void) { return bpf_get_current_task_btf()->thread_info.status; }
static __always_inline struct pt_regs *current_registers(void)
{
    return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}
#endif

/* For the loader: before 5.13 a program that has been taken out of a function (fentry, BPF LSM) cannot be put there again. */
#ifdef SPOOR_FLOOR
const volatile bool attaches_once = true;
#else
const volatile bool attaches_once = false;
#endif

/* What follows is decided when programs are loaded, or needs no decision. */

/*
 * Before 6.7 verifiers walk through a callback (of bpf_loop, bpf_find_vma) once, from the state before the first
 * step. What they take for a constant there they take for one in every step and on every way there, and they remove
 * the code for other values: seen on 6.1, where mprotect(2) was never told. So numbers that a callback decides by
 * have UNKNOWN_ZERO added where they are put into what it is given. Before 6.8 the same goes for a function that is given the
 * plan by its address.
 */
volatile __u64 unknown_zero;
#define UNKNOWN_ZERO (unknown_zero)

/* 6.1 (not 6.12): of an empty user string bpf_probe_read_user_str does not count the NUL. */
static __always_inline long length_with_nul(long length) { return length ? length : 1; }

/* Whether io_uring's requests are told: its tracepoints have the request since 6.0. Loader (fit_kernel.cc). */
const volatile bool uring_is_told = true;

/* Since 6.10 the third argument of io_uring_complete is the cqe; before that the arguments end with user_data and the
 * result. Loader (fit_kernel.cc), which also finds the submission's tracepoint, renamed in 6.4. */
const volatile bool uring_complete_has_cqe = true;

static __always_inline long uring_result(struct bpf_raw_tracepoint_args *ctx)
{
    if (uring_complete_has_cqe)
        return BPF_CORE_READ((struct io_uring_cqe *)ctx->args[2], res);
    return (__s32)ctx->args[3];
}

/* In 7.2 (not 6.18) programs at tracepoints can be preempted, and are left out of what comes meanwhile: function.bpf.h. */

/* In 7.2 (not 6.18) what io_uring's requests name files by is a struct with the same pointer in it. */
struct delayed_filename___7_2 {
    struct filename *__incomplete_filename;
} __attribute__((preserve_access_index));

#define NAMED_IN_7_2(type, ...)                                                                                    \
    struct type##___7_2 {                                                                                          \
        struct delayed_filename___7_2 __VA_ARGS__;                                                                 \
    } __attribute__((preserve_access_index))
NAMED_IN_7_2(io_open, filename);
NAMED_IN_7_2(io_statx, filename);
NAMED_IN_7_2(io_unlink, filename);
NAMED_IN_7_2(io_mkdir, filename);
NAMED_IN_7_2(io_xattr, filename);
NAMED_IN_7_2(io_rename, oldpath, newpath);
NAMED_IN_7_2(io_link, oldpath, newpath);

/* The string's address in the kernel. */
#define URING_NAME(type, request, field)                                                                           \
    ({                                                                                                             \
        struct filename *name_;                                                                                    \
                                                                                                                   \
        if (bpf_core_field_exists(struct type##___7_2, field.__incomplete_filename))                               \
            name_ = BPF_CORE_READ((struct type##___7_2 *)(request), field.__incomplete_filename);                  \
        else                                                                                                       \
            name_ = BPF_CORE_READ(request, field);                                                                 \
        (__u64)BPF_CORE_READ(name_, name);                                                                         \
    })

/* Whether nobody holds the file at this address any more. Kernels before 6.13 count otherwise; since then numbers from
 * 3 << 62 on say that the last one has gone. What has been put to another use by now may look open. */
struct file___6_12 {
    atomic_long_t f_count;
} __attribute__((preserve_access_index));

static __always_inline bool is_closed(__u64 address)
{
    if (bpf_core_field_exists(struct file___6_12, f_count))
        return BPF_CORE_READ((struct file___6_12 *)address, f_count.counter) == 0;
    return (__u64)BPF_CORE_READ((struct file *)address, f_ref.refcnt.counter) >= 3ull << 62;
}

/* Before 6.13 io_uring's table of direct descriptors has the files themselves, with flags in the low bits. */
struct io_fixed_file___6_12 {
    unsigned long file_ptr;
} __attribute__((preserve_access_index));
struct io_file_table___6_12 {
    struct io_fixed_file___6_12 *files;
} __attribute__((preserve_access_index));
struct io_ring_ctx___6_12 {
    struct io_file_table___6_12 file_table;
} __attribute__((preserve_access_index));

static __always_inline struct file *fixed_file(struct io_ring_ctx *ring, __u64 index)
{
    struct io_rsrc_node *node = NULL;
    unsigned long file = 0;

    if (bpf_core_field_exists(struct io_ring_ctx___6_12, file_table.files)) {
        struct io_fixed_file___6_12 *files = BPF_CORE_READ((struct io_ring_ctx___6_12 *)ring, file_table.files);

        bpf_probe_read_kernel(&file, sizeof(file), (void *)files + index * sizeof(*files));
    } else {
        struct io_rsrc_node **nodes = BPF_CORE_READ(ring, file_table.data.nodes);

        bpf_probe_read_kernel(&node, sizeof(node), nodes + index);
        if (node)
            file = BPF_CORE_READ(node, file_ptr);
    }
    return (struct file *)(file & ~7ul);
}
