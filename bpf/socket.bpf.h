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

static __noinline int run_absent_socket(struct scratch *scratch, __u64 path, __u32 room, int error)
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
    return emit_access(ref_of(scratch), SPOOR_OP_ABSENT, 0, error);
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

static __noinline int run_socket(struct scratch *scratch, const struct plan *plan, int error)
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
            return run_absent_socket(scratch, plan->name + SUN_PATH,
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
    return emit_access(ref_of(scratch), plan->op, 0, error);
}

static __always_inline long message_step(struct scratch *own)
{
    struct plan plan = {.kind = PLAN_SOCKET, .op = SPOOR_OP_CONNECT};
    struct message_walk *walk = &own->messages;
    struct spoor_process *process = &own->who;
    __u32 compat_head[2] = {}; /* name, length */
    __u32 at = walk->at;
    struct scratch *scratch;
    __u64 message;

    if (at >= walk->count)
        return 1;
    walk->at = at + 1;
    message = walk->messages + (__u64)at * walk->size;
    if (walk->compat) {
        bpf_probe_read_user(compat_head, sizeof(compat_head), (void *)message);
        plan.name = compat_head[0];
        plan.length = compat_head[1];
    } else {
        bpf_probe_read_user(&plan.name, 8, (void *)message);
        bpf_probe_read_user(&plan.length, 4, (void *)(message + 8));
    }
    if (!plan.name)
        return 0;
    scratch = claim_scratch(process);
    if (!scratch)
        return 0;
    run_socket(scratch, &plan, walk->error);
    release_scratch(scratch);
    return 0;
}
/* The kernel takes no more than 1024 at once. */
REPEATED(message, 1024, 4, 256)

static __always_inline int run_messages(struct scratch *scratch, const struct plan *plan, long result)
{
    struct message_walk *walk = &scratch->messages;

    walk->messages = plan->name;
    walk->at = 0;
    walk->count = result >= 0 && plan->dirfd ? result : 1;
    walk->size = plan->dirfd;
    walk->compat = plan->compat;
    walk->error = result < 0 ? -result : 0;
    message_steps(scratch);
    return 0;
}
