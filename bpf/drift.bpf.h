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
 * Before 6.7 verifiers walk through a callback (of bpf_loop, bpf_find_vma) once, from the state before the first
 * step. What they take for a constant there they take for one in every step and on every way there, and they remove
 * the code for other values: seen on 6.1, where mprotect(2) was never told. So numbers that a callback decides by
 * have UNKNOWN_ZERO added where they are put into what it is given.
 */
volatile __u64 unknown_zero;
#define UNKNOWN_ZERO (unknown_zero)

/* 6.1 (not 6.12): of an empty user string bpf_probe_read_user_str does not count the NUL. */
static __always_inline long length_with_nul(long length) { return length ? length : 1; }

/* Since 6.10 the third argument of io_uring_complete is the cqe; before that the arguments end with user_data and the
 * result. Loader (fit_kernel.cc), which also finds the submission's tracepoint, renamed in 6.4. */
const volatile bool uring_complete_has_cqe = true;

static __always_inline long uring_result(struct bpf_raw_tracepoint_args *ctx)
{
    if (uring_complete_has_cqe)
        return BPF_CORE_READ((struct io_uring_cqe *)ctx->args[2], res);
    return (__s32)ctx->args[3];
}

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
