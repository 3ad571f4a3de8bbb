/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * io_uring: no system call returns when a request is done. What a request names is copied when it
 * is submitted (its strings may be gone later), and reported when its completion is posted, which
 * happens in a thread of the same process: the submitter, an io-wq worker or the SQPOLL thread.
 */
#pragma once

enum { SPLICE_F_FD_IN_FIXED = 1 << 31 };

struct uring_pending {
    __u64 session; /* whose request it is */
    struct plan plan;
    char name[SPOOR_NAME_MAX];
    char name2[SPOOR_NAME_MAX];
};

/* Of a session at once, so that one that never lets its requests end has its own left out first. Half of the table is
 * taken in this way; the other half is given out in shares only, which are there for 1024 sessions: twice as many as a tenant may
 * have by default. */
#define URING_REQUESTS_MAX 1024
#define URING_SHARE 32
_Static_assert(SPOOR_URING_TABLE == 2 * 1024 * URING_SHARE, "a share for 1024 sessions");

/* Loader: of the entries that the table has. */
const volatile __u32 uring_half = SPOOR_URING_TABLE / 2;

/* Requests under way that name files, by the address of their io_kiocb. Memory is taken only while
 * there are any. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SPOOR_URING_TABLE); /* loader: fewer where there is room for few processes */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct uring_pending);
} uring_requests SEC(".maps");

/* How many of these there are: noted and not seen to end, less what the loader has removed (enum spoor_uring_count). */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} uring_counts SEC(".maps");

static __always_inline void add_noted(__s64 more)
{
    __u32 key = SPOOR_URING_NOTED;
    __u64 *noted = bpf_map_lookup_elem(&uring_counts, &key);

    if (noted)
        __sync_fetch_and_add(noted, more);
}

/* How many requests a session may have noted at this time. */
static __noinline __u64 uring_requests_most(void)
{
    __u32 key = SPOOR_URING_NOTED;
    __u64 *noted = bpf_map_lookup_elem(&uring_counts, &key), *removed;

    key = SPOOR_URING_REMOVED;
    removed = bpf_map_lookup_elem(&uring_counts, &key);
    return noted && removed && *noted - *removed < uring_half ? URING_REQUESTS_MAX : URING_SHARE;
}

/* Requests that are told by their open file when they are done, and have no plan. A set of bits: branches are dear. */
static __always_inline bool is_by_file(__u8 opcode)
{
    const __u64 all = 1ull << IORING_OP_READ | 1ull << IORING_OP_READV | 1ull << IORING_OP_READ_FIXED |
                      1ull << IORING_OP_READ_MULTISHOT | 1ull << IORING_OP_READV_FIXED | 1ull << IORING_OP_WRITE |
                      1ull << IORING_OP_WRITEV | 1ull << IORING_OP_WRITE_FIXED | 1ull << IORING_OP_WRITEV_FIXED |
                      1ull << IORING_OP_FALLOCATE | 1ull << IORING_OP_FTRUNCATE | 1ull << IORING_OP_FSETXATTR |
                      1ull << IORING_OP_SPLICE;

    _Static_assert(IORING_OP_WRITEV_FIXED < 64, "opcodes are bits");
    return all >> (opcode & 63) & 1;
}

/* Whether nothing is posted when it has succeeded (IOSQE_CQE_SKIP_SUCCESS), so that its end comes to no program. */
static __always_inline bool ends_unseen(struct io_kiocb *request)
{
    __u8 flags = 0; /* the first byte: how many there are differs between kernels */

    bpf_core_read(&flags, sizeof(flags), &request->flags);
    return flags & 1 << IOSQE_CQE_SKIP_SUCCESS_BIT;
}

static __noinline int make_uring_plan(struct plan *plan, struct io_kiocb *request)
{
    void *cmd = request;

    switch (BPF_CORE_READ(request, opcode)) {
    case IORING_OP_OPENAT: case IORING_OP_OPENAT2: {
        struct io_open *open = cmd;

        plan_open(plan, BPF_CORE_READ(open, dfd), URING_NAME(io_open, open, filename),
                  BPF_CORE_READ(open, how.flags));
        plan->file_slot = BPF_CORE_READ(open, file_slot);
        if (BPF_CORE_READ(open, how.resolve) & RESOLVE_IN_ROOT)
            plan->name_flags = NAME_IN_ROOT;
        break;
    }
    case IORING_OP_STATX: {
        struct io_statx *statx = cmd;

        plan_name(plan, SPOOR_OP_PROBE, BPF_CORE_READ(statx, dfd), URING_NAME(io_statx, statx, filename),
                  nofollow_of(BPF_CORE_READ(statx, flags)));
        break;
    }
    case IORING_OP_UNLINKAT: {
        struct io_unlink *unlink = cmd;

        plan_name(plan, BPF_CORE_READ(unlink, flags) & AT_REMOVEDIR ? SPOOR_OP_RMDIR : SPOOR_OP_DELETE,
                  BPF_CORE_READ(unlink, dfd), URING_NAME(io_unlink, unlink, filename), SPOOR_F_NOFOLLOW);
        break;
    }
    case IORING_OP_MKDIRAT: {
        struct io_mkdir *mkdir = cmd;

        plan_name(plan, SPOOR_OP_MKDIR, BPF_CORE_READ(mkdir, dfd), URING_NAME(io_mkdir, mkdir, filename),
                  SPOOR_F_NOFOLLOW);
        break;
    }
    case IORING_OP_SETXATTR: case IORING_OP_GETXATTR: {
        struct io_xattr *xattr = cmd;

        plan_name(plan,
                  BPF_CORE_READ(request, opcode) == IORING_OP_SETXATTR ? SPOOR_OP_METADATA : SPOOR_OP_PROBE, AT_FDCWD,
                  URING_NAME(io_xattr, xattr, filename), 0);
        break;
    }
    case IORING_OP_RENAMEAT: {
        struct io_rename *rename = cmd;

        plan_names(plan, SPOOR_OP_RENAME, BPF_CORE_READ(rename, old_dfd), URING_NAME(io_rename, rename, oldpath),
                   BPF_CORE_READ(rename, new_dfd), URING_NAME(io_rename, rename, newpath));
        if (BPF_CORE_READ(rename, flags) & RENAME_EXCHANGE)
            plan->flags |= SPOOR_F_EXCHANGE;
        break;
    }
    case IORING_OP_LINKAT: {
        struct io_link *link = cmd;

        plan_names(plan, SPOOR_OP_LINK, BPF_CORE_READ(link, old_dfd), URING_NAME(io_link, link, oldpath),
                   BPF_CORE_READ(link, new_dfd), URING_NAME(io_link, link, newpath));
        if (BPF_CORE_READ(link, flags) & AT_SYMLINK_FOLLOW)
            plan->flags &= ~SPOOR_F_NOFOLLOW;
        break;
    }
    case IORING_OP_SYMLINKAT: {
        struct io_link *link = cmd; /* oldpath is the text */

        plan_names(plan, SPOOR_OP_SYMLINK, BPF_CORE_READ(link, new_dfd), URING_NAME(io_link, link, newpath),
                   AT_FDCWD, URING_NAME(io_link, link, oldpath));
        plan->kind = PLAN_TEXT;
        break;
    }
    case IORING_OP_CONNECT: {
        struct io_connect *connect = cmd;

        plan->kind = PLAN_SOCKET;
        plan->op = SPOOR_OP_CONNECT;
        plan->name = (__u64)BPF_CORE_READ(connect, addr);
        plan->length = BPF_CORE_READ(connect, addr_len);
        break;
    }
    case IORING_OP_SEND: case IORING_OP_SEND_ZC: case IORING_OP_SENDMSG: case IORING_OP_SENDMSG_ZC: {
        struct io_async_msghdr *message = BPF_CORE_READ(request, async_data);

        if (!message || !BPF_CORE_READ(message, msg.msg_name))
            break;
        plan->kind = PLAN_SOCKET;
        plan->op = SPOOR_OP_CONNECT;
        plan->name = (__u64)BPF_CORE_READ(message, msg.msg_name);
        plan->length = BPF_CORE_READ(message, msg.msg_namelen);
        break;
    }
    }
    plan->name_flags |= NAME_KERNEL;
    return 0;
}

/* The file that an open put into the ring's own table. `slot`: counted from 1, or ~0: the kernel chose one, which
 * is the result. */
static __always_inline struct file *direct_file(struct io_kiocb *request, __u32 slot, long result)
{
    return fixed_file(BPF_CORE_READ(request, ctx), slot == ~0u ? result : slot - 1);
}

/* The file that a splice reads from, which may be in the ring's own table. */
static __always_inline struct file *spliced_file(struct io_kiocb *request)
{
    struct io_splice *splice = (struct io_splice *)request;
    __u32 fd = BPF_CORE_READ(splice, splice_fd_in);

    if (BPF_CORE_READ(splice, flags) & SPLICE_F_FD_IN_FIXED)
        return fixed_file(BPF_CORE_READ(request, ctx), fd);
    return file_of(fd);
}

static __always_inline void copy_address(char *to, const struct plan *plan, bool user)
{
    __u32 length = plan->length;

    barrier_var(length);
    length &= 0xff;
    read_bytes(to, length, (void *)plan->name, !user);
}

static __always_inline void drop_request(__u64 key)
{
    struct uring_pending *pending = bpf_map_lookup_elem(&uring_requests, &key);
    struct spoor_session *session;
    __u64 id;

    if (!pending)
        return;
    id = pending->session;
    if (bpf_map_delete_elem(&uring_requests, &key))
        return;
    add_noted(-1);
    session = bpf_map_lookup_elem(&sessions, &id);
    if (session)
        __sync_fetch_and_add(&session->requests, -1);
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(on_uring_submit, struct io_kiocb *request)
{
    struct spoor_process *process = current_process();
    struct uring_pending *pending;
    struct spoor_session *session;
    struct scratch *scratch;
    struct plan plan = {};
    __u64 key = (__u64)request;
    bool unseen;

    if (!process)
        return 0;
    make_uring_plan(&plan, request);
    if (plan.kind == PLAN_NONE && !is_by_file(BPF_CORE_READ(request, opcode)))
        return 0;
    unseen = ends_unseen(request);
    if (unseen)
        COUNT(process->session, lost_fault);
    if (plan.kind == PLAN_NONE)
        return 0;
    drop_request(key); /* one at the same address, whose end nobody saw */
    if (unseen)
        return 0;
    session = bpf_map_lookup_elem(&sessions, &process->session);
    if (!session)
        return 0;
    if (session->requests >= uring_requests_most()) {
        COUNT(process->session, lost_scratch);
        return 0;
    }
    scratch = claim_scratch(process);
    if (!scratch)
        return 0;
    pending = (struct uring_pending *)scratch->bytes;
    pending->session = process->session;
    pending->plan = plan;
    pending->name[0] = pending->name2[0] = 0;
    if (plan.kind != PLAN_SOCKET)
        bpf_probe_read_kernel_str(pending->name, sizeof(pending->name), (void *)plan.name);
    else if (plan.length <= ADDRESS_MAX) /* connect's address is still the caller's */
        copy_address(pending->name, &plan, BPF_CORE_READ(request, opcode) == IORING_OP_CONNECT);
    if (plan.name2)
        bpf_probe_read_kernel_str(pending->name2, sizeof(pending->name2), (void *)plan.name2);
    if (bpf_map_update_elem(&uring_requests, &key, pending, BPF_ANY))
        COUNT(process->session, lost_scratch);
    else {
        __sync_fetch_and_add(&session->requests, 1);
        add_noted(1);
    }
    release_scratch(scratch);
    return 0;
}

static __always_inline int uring_done(struct spoor_process *process, struct io_kiocb *request, long result)
{
    struct file *file = BPF_CORE_READ(request, file);
    struct uring_pending *pending;
    struct scratch *scratch;
    __u64 key = (__u64)request;
    struct plan plan;

    switch (BPF_CORE_READ(request, opcode)) {
    case IORING_OP_READ: case IORING_OP_READV: case IORING_OP_READ_FIXED: case IORING_OP_READ_MULTISHOT:
    case IORING_OP_READV_FIXED:
        return result < 0 ? 0 : run_file_if_news(process, file, SPOOR_OP_READ, OPEN_READ);
    case IORING_OP_WRITE: case IORING_OP_WRITEV: case IORING_OP_WRITE_FIXED: case IORING_OP_FALLOCATE:
    case IORING_OP_WRITEV_FIXED:
        return result < 0 ? 0 : run_file_if_news(process, file, SPOOR_OP_WRITE, OPEN_WRITE);
    case IORING_OP_FTRUNCATE:
        return result < 0 ? 0 : run_file_if_news(process, file, SPOOR_OP_TRUNCATE, OPEN_TRUNCATE);
    case IORING_OP_FSETXATTR:
        return result < 0 ? 0 : run_file_if_news(process, file, SPOOR_OP_METADATA, OPEN_METADATA);
    case IORING_OP_SPLICE:
        if (result < 0)
            return 0;
        run_file_if_news(process, file, SPOOR_OP_WRITE, OPEN_WRITE);
        return run_file_if_news(process, spliced_file(request), SPOOR_OP_READ, OPEN_READ);
    }
    pending = bpf_map_lookup_elem(&uring_requests, &key);
    if (!pending)
        return 0;
    plan = pending->plan;
    scratch = claim_scratch(process);
    if (scratch) {
        plan.name = address_of(scratch, pending->name);
        plan.name2 = address_of(scratch, pending->name2);
        if (plan.file_slot && result >= 0)
            run_open(scratch, process, direct_file(request, plan.file_slot, result), plan.open_flags);
        else
            run_plan(scratch, process, &plan, result);
        release_scratch(scratch);
    }
    drop_request(key);
    return 0;
}

SEC("raw_tp/io_uring_complete")
int on_uring_complete(struct bpf_raw_tracepoint_args *ctx)
{
    struct spoor_process *process = current_process();
    struct io_kiocb *request = (void *)ctx->args[1];

    if (!process || !request)
        return 0;
    return uring_done(process, request, uring_result(ctx));
}
