/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Socket addresses: connect(2), bind(2), and messages that are sent with an address.
 */
#pragma once

enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10, STREAM = 1, SUN_PATH = 2, SUN_PATH_MAX = 108, ADDRESS_MAX = 128 };

static __always_inline long read_address(void *to, __u32 size, const struct plan *plan, __u32 offset)
{
    return read_bytes(to, size, (const void *)(plan->name + offset), plan->name_flags & NAME_KERNEL);
}

/*
 * A unix socket that is not there: its path, like any other name. `room`: bytes that the address has for it, and
 * ROOM_IN_KERNEL. Values, not the plan: drift.bpf.h has why.
 */
#define ROOM_IN_KERNEL (1u << 31)

static __noinline int run_absent_socket(struct scratch *scratch, struct spoor_process *process, __u64 path, __u32 room,
                                        int error)
{
    char *name = &scratch->bytes[BASE_END];
    long length;

    length = read_string(name, SUN_PATH_MAX + 1, (const char *)path, room & ROOM_IN_KERNEL);
    room &= ~ROOM_IN_KERNEL;
    if (length <= 1)
        return 0;
    length--;
    if (length > room)
        length = room; /* no NUL ends it */
    scratch->name_len = length & 0x7f;
    scratch->flags |= SPOOR_F_LEXICAL;
    return emit_access(scratch, process, SPOOR_OP_ABSENT, 0, error);
}

/* Where a stream socket can be reached, for the address in `bytes`. Port 0 was a wish for any free one. */
static __noinline bool set_bound_port(struct scratch *scratch, int fd)
{
    struct file *file = file_of(fd);
    struct socket *socket;
    __u16 port;

    if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return false;
    socket = BPF_CORE_READ(file, private_data);
    if (!socket || BPF_CORE_READ(socket, type) != STREAM)
        return false;
    port = BPF_CORE_READ(socket, sk, __sk_common.skc_num);
    if (port) {
        scratch->bytes[BASE_END + 2] = port >> 8;
        scratch->bytes[BASE_END + 3] = port & 0xff;
    }
    return true;
}

static __noinline int run_socket(struct scratch *scratch, struct spoor_process *process, const struct plan *plan,
                                 int error)
{
    __u16 family = 0;
    __u32 length = plan->length;
    char first = 0;

    clear_path(scratch);
    if (length > ADDRESS_MAX || read_address(&family, sizeof(family), plan, 0))
        return 0;
    if (family != FAMILY_UNIX && family != FAMILY_INET && family != FAMILY_INET6)
        return 0;
    if (family == FAMILY_UNIX && length > SUN_PATH) {
        read_address(&first, 1, plan, SUN_PATH);
        if (first && first != '/')
            set_dir_base(scratch, AT_FDCWD);
        if (first && is_absence(error))
            return run_absent_socket(scratch, process, plan->name + SUN_PATH,
                                     (length - SUN_PATH) | (plan->name_flags & NAME_KERNEL ? ROOM_IN_KERNEL : 0), error);
        if (first)
            scratch->flags |= SPOOR_F_LEXICAL;
    }
    barrier_var(length);
    length &= 0xff;
    if (read_address(&scratch->bytes[BASE_END], length, plan, 0))
        return 0;
    scratch->name_len = length;
    scratch->flags |= SPOOR_F_SOCKADDR;
    if (plan->op == SPOOR_OP_BIND && family != FAMILY_UNIX && !set_bound_port(scratch, plan->dirfd))
        return 0;
    return emit_access(scratch, process, plan->op, 0, error);
}

struct message_walk {
    struct spoor_process *process;
    __u64 at; /* of the caller: struct user_msghdr, or mmsghdr, which begins with one */
    __u32 size;
    __u32 compat;
    int error;
    __u32 reserved;
};

static long message_step(__u32 index, struct message_walk *walk)
{
    struct plan plan = {.kind = PLAN_SOCKET, .op = SPOOR_OP_CONNECT};
    struct spoor_process *process = walk->process;
    __u32 compat_head[2] = {}; /* name, length */
    struct scratch *scratch;

    if (walk->compat) {
        bpf_probe_read_user(compat_head, sizeof(compat_head), (void *)walk->at);
        plan.name = compat_head[0];
        plan.length = compat_head[1];
    } else {
        bpf_probe_read_user(&plan.name, 8, (void *)walk->at);
        bpf_probe_read_user(&plan.length, 4, (void *)(walk->at + 8));
    }
    walk->at += walk->size;
    if (!plan.name)
        return 0;
    scratch = claim_scratch(process->session);
    if (!scratch)
        return 0;
    run_socket(scratch, process, &plan, walk->error);
    release_scratch(scratch);
    return 0;
}

static __always_inline int run_messages(struct spoor_process *process, const struct plan *plan, long result)
{
    struct message_walk walk = {.process = process,
                                .at = plan->name + UNKNOWN_ZERO,
                                .size = plan->dirfd + UNKNOWN_ZERO,
                                .compat = plan->compat + UNKNOWN_ZERO,
                                .error = UNKNOWN_ZERO};
    __u32 count = 1;

    if (result < 0)
        walk.error = -result;
    else if (plan->dirfd)
        count = result;
    bpf_loop(count, message_step, &walk, 0);
    return 0;
}
