/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Plans: a call is first turned into a few words that say what it does to what, and one piece of
 * code carries plans out (syscall.bpf.h); so the verifier sees each walk once, not once per call.
 */
#pragma once

#include "registers.bpf.h"

enum {
    AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_SYMLINK_FOLLOW = 0x400, AT_EMPTY_PATH = 0x1000,
    O_ACCMODE = 3, O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000,
    FMODE_IS_READ = 1, FMODE_IS_WRITE = 2, FMODE_IS_CREATED = 0x100000, FMODE_IS_EXEC = 0x20, FMODE_IS_PATH = 0x4000,
    PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_SHARED = 1, MAP_SHARED_MASK = 3, MAP_ANONYMOUS = 0x20,
    RENAME_EXCHANGE = 2, RESOLVE_IN_ROOT = 0x10, VM_SHARED_AREA = 8,
    FICLONE = 0x40049409, FICLONERANGE = 0x4020940d, FS_IOC_SETFLAGS = 0x40086602, FS_IOC32_SETFLAGS = 0x40046602, FS_IOC_FSSETXATTR = 0x401c5820,
    ENOENT = 2, E2BIG = 7, EBADF = 9, EACCES = 13, EFAULT = 14, EBUSY = 16, ENOTDIR = 20, EINVAL = 22, ENOSYS = 38, EINPROGRESS = 115,
};

/* O_TMPFILE has O_DIRECTORY's bit in it. */
#if defined(__TARGET_ARCH_arm64)
enum { O_NOFOLLOW = 0100000, O_TMPFILE = 020040000 };
#else
enum { O_NOFOLLOW = 0400000, O_TMPFILE = 020200000 };
#endif

enum plan_kind {
    PLAN_NONE,
    PLAN_NAME,  /* (dirfd, name) */
    PLAN_NAMES, /* (dirfd, name) and (dirfd2, name2) */
    PLAN_TEXT,  /* (dirfd, name) and the text name2: symlink */
    PLAN_OPEN,  /* (dirfd, name); the result is the descriptor */
    PLAN_FD,    /* dirfd is the descriptor */
    PLAN_FDS,   /* read from dirfd, written to dirfd2; -1: could not be read */
    PLAN_SOCKET,   /* name: the address; length */
    PLAN_MESSAGES, /* name: an array of messages with addresses; dirfd: the size of an entry, 0 for one alone */
    PLAN_PROTECT,  /* name, name2: address and length of memory; flags: its PROT_* */
    PLAN_MOVE,     /* name: address of memory; name2: its length, before or after, whichever is larger */
    PLAN_AIO,      /* name: an array of pointers to requests */
    PLAN_CHDIR, /* like PLAN_NAME; on success the working directory is the object */
};

enum { SHARED_WRITES = 1, SHARED_MAY_WRITE = 2 };

struct plan {
    __u32 kind;
    __u32 op;
    __s32 dirfd;
    __s32 dirfd2;
    __u64 name;
    __u64 name2;
    __u32 flags;
    __u32 bit; /* PLAN_FD: enum open_bit */
    __u32 open_flags;
    __u32 shared;     /* PLAN_FD: a shared mapping, of name2 bytes; SHARED_* */
    __u32 name_flags; /* enum name_flag */
    __u32 compat;     /* a 32-bit caller: what lies in its memory has 32-bit pointers */
    __u32 file_slot;  /* PLAN_OPEN: into io_uring's own table */
    __u32 length;     /* PLAN_SOCKET: of the address */
};

static __always_inline void plan_name(struct plan *plan, __u32 op, __s32 dirfd, __u64 name, __u32 flags)
{
    plan->kind = PLAN_NAME;
    plan->op = op;
    plan->dirfd = dirfd;
    plan->name = name;
    plan->flags = flags;
}

static __always_inline void plan_names(struct plan *plan, __u32 op, __s32 dirfd, __u64 name, __s32 dirfd2,
                                       __u64 name2)
{
    plan_name(plan, op, dirfd, name, SPOOR_F_NOFOLLOW);
    plan->kind = PLAN_NAMES;
    plan->dirfd2 = dirfd2;
    plan->name2 = name2;
}

static __always_inline void plan_fd(struct plan *plan, __u32 op, __s32 fd, __u32 bit)
{
    plan->kind = PLAN_FD;
    plan->op = op;
    plan->dirfd = fd;
    plan->bit = bit;
}

static __always_inline void plan_open(struct plan *plan, __s32 dirfd, __u64 name, __u32 open_flags)
{
    bool no_follow = (open_flags & O_NOFOLLOW) || (open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);

    plan_name(plan, 0, dirfd, name, no_follow ? SPOOR_F_NOFOLLOW : 0);
    plan->kind = PLAN_OPEN;
    plan->open_flags = open_flags;
    if (open_flags & O_CREAT)
        plan->op = SPOOR_OP_CREATE;
    else
        plan->op = open_flags & O_ACCMODE ? SPOOR_OP_WRITE : SPOOR_OP_READ;
}

static __always_inline void plan_fds(struct plan *plan, __s32 from, __s32 to)
{
    plan->kind = PLAN_FDS;
    plan->dirfd = from;
    plan->dirfd2 = to;
}

/* What was named is not there, whatever the call wanted. */
static __always_inline bool is_absence(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

/* The flag NOFOLLOW of a call with AT_* flags. */
static __always_inline __u32 nofollow_of(__u64 at_flags)
{
    return at_flags & AT_SYMLINK_NOFOLLOW ? SPOOR_F_NOFOLLOW : 0;
}

/* A call on (dirfd, name) with AT_* flags. */
static __always_inline void plan_name_at(struct plan *plan, __u32 op, __s32 dirfd, __u64 name, __u64 at_flags)
{
    plan_name(plan, op, dirfd, name, nofollow_of(at_flags));
    if (at_flags & AT_EMPTY_PATH)
        plan->name_flags = NAME_MAY_BE_EMPTY;
}

static __noinline int make_plan(struct plan *plan, __u32 nr, const __u64 *a)
{
    switch (nr) {
    case NR_read: case NR_pread64: case NR_readv: case NR_preadv: case NR_preadv2:
        plan_fd(plan, SPOOR_OP_READ, a[0], OPEN_READ);
        break;
    case NR_write: case NR_pwrite64: case NR_writev: case NR_pwritev: case NR_pwritev2: case NR_fallocate:
        plan_fd(plan, SPOOR_OP_WRITE, a[0], OPEN_WRITE);
        break;
    case NR_ftruncate:
        plan_fd(plan, SPOOR_OP_TRUNCATE, a[0], OPEN_TRUNCATE);
        break;
    case NR_getdents: case NR_getdents64:
        plan_fd(plan, SPOOR_OP_LIST, a[0], OPEN_LIST);
        break;
    case NR_fstat:
        plan_fd(plan, SPOOR_OP_PROBE, a[0], OPEN_PROBE);
        break;
    case NR_fchmod: case NR_fchown: case NR_fsetxattr: case NR_fremovexattr:
        plan_fd(plan, SPOOR_OP_METADATA, a[0], OPEN_METADATA);
        break;
    case NR_fgetxattr: case NR_flistxattr:
        plan_fd(plan, SPOOR_OP_PROBE, a[0], OPEN_PROBE);
        break;
    case NR_mmap:
        if (a[3] & MAP_ANONYMOUS)
            break;
        if (a[2] & PROT_EXEC)
            plan_fd(plan, SPOOR_OP_MMAP_EXEC, a[4], OPEN_MMAP_EXEC);
        else
            plan_fd(plan, SPOOR_OP_READ, a[4], OPEN_READ);
        if (a[3] & MAP_SHARED)
            plan->shared = a[2] & PROT_WRITE ? SHARED_WRITES : SHARED_MAY_WRITE;
        plan->name2 = a[1];
        break;
    case NR_mremap:
        plan->kind = PLAN_MOVE;
        plan->name = a[0];
        plan->name2 = a[1] > a[2] ? a[1] : a[2];
        break;
    case NR_mprotect: case NR_pkey_mprotect:
        if (!(a[2] & (PROT_WRITE | PROT_EXEC)))
            break;
        plan->kind = PLAN_PROTECT;
        plan->name = a[0];
        plan->name2 = a[1];
        plan->flags = a[2];
        break;
    case NR_io_submit:
        plan->kind = PLAN_AIO;
        plan->name = a[2];
        break;
    case NR_sendfile:
        plan_fds(plan, a[1], a[0]);
        break;
    case NR_splice: case NR_copy_file_range:
        plan_fds(plan, a[0], a[2]);
        break;
    case NR_ioctl:
        switch ((__u32)a[1]) { /* all that the kernel takes of it */
        case FICLONE:
            plan_fds(plan, a[2], a[0]);
            break;
        case FICLONERANGE: {
            __s64 from; /* what struct file_clone_range begins with */

            if (bpf_probe_read_user(&from, sizeof(from), (void *)a[2]))
                from = UNKNOWN_ZERO - 1;
            plan_fds(plan, from, a[0]);
            break;
        }
        case FS_IOC_SETFLAGS: case FS_IOC32_SETFLAGS: case FS_IOC_FSSETXATTR:
            plan_fd(plan, SPOOR_OP_METADATA, a[0], OPEN_METADATA);
            break;
        }
        break;
    case NR_open:
        plan_open(plan, AT_FDCWD, a[0], a[1]);
        break;
    case NR_creat:
        plan_open(plan, AT_FDCWD, a[0], O_CREAT | O_TRUNC | 1);
        break;
    case NR_openat:
        plan_open(plan, a[0], a[1], a[2]);
        break;
    case NR_openat2: {
        struct open_how how = {};

        bpf_probe_read_user(&how, sizeof(how), (void *)a[2]);
        plan_open(plan, a[0], a[1], how.flags);
        if (how.resolve & RESOLVE_IN_ROOT)
            plan->name_flags = NAME_IN_ROOT;
        break;
    }
    case NR_open_by_handle_at:
        plan_open(plan, AT_FDCWD, 0, a[2]);
        break;
    case NR_stat: case NR_access: case NR_statfs: case NR_getxattr: case NR_listxattr:
        plan_name(plan, SPOOR_OP_PROBE, AT_FDCWD, a[0], 0);
        break;
    case NR_chroot:
        plan_name(plan, SPOOR_OP_PROBE, AT_FDCWD, a[0], 0);
        plan->name_flags = NAME_AT_ENTRY;
        break;
    case NR_chdir:
        plan_name(plan, SPOOR_OP_PROBE, AT_FDCWD, a[0], 0);
        plan->kind = PLAN_CHDIR;
        break;
    case NR_lstat: case NR_lgetxattr: case NR_llistxattr:
        plan_name(plan, SPOOR_OP_PROBE, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_newfstatat:
        plan_name_at(plan, SPOOR_OP_PROBE, a[0], a[1], a[3]);
        break;
    case NR_statx: case NR_getxattrat: case NR_listxattrat:
        plan_name_at(plan, SPOOR_OP_PROBE, a[0], a[1], a[2]);
        break;
    case NR_faccessat:
        plan_name(plan, SPOOR_OP_PROBE, a[0], a[1], 0);
        break;
    case NR_faccessat2:
        plan_name_at(plan, SPOOR_OP_PROBE, a[0], a[1], a[3]);
        break;
    case NR_name_to_handle_at:
        plan_name(plan, SPOOR_OP_PROBE, a[0], a[1], a[4] & AT_SYMLINK_FOLLOW ? 0 : SPOOR_F_NOFOLLOW);
        if (a[4] & AT_EMPTY_PATH)
            plan->name_flags = NAME_MAY_BE_EMPTY;
        break;
    case NR_file_getattr:
        plan_name_at(plan, SPOOR_OP_PROBE, a[0], a[1], a[4]);
        break;
    case NR_file_setattr:
        plan_name_at(plan, SPOOR_OP_METADATA, a[0], a[1], a[4]);
        break;
    case NR_inotify_add_watch:
        plan_name(plan, SPOOR_OP_PROBE, AT_FDCWD, a[1], 0);
        break;
    case NR_readlink:
        plan_name(plan, SPOOR_OP_READLINK, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_readlinkat:
        plan_name(plan, SPOOR_OP_READLINK, a[0], a[1], SPOOR_F_NOFOLLOW);
        plan->name_flags = NAME_MAY_BE_EMPTY;
        break;
    case NR_truncate:
        plan_name(plan, SPOOR_OP_TRUNCATE, AT_FDCWD, a[0], 0);
        break;
    case NR_unlink:
        plan_name(plan, SPOOR_OP_DELETE, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_rmdir:
        plan_name(plan, SPOOR_OP_RMDIR, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_unlinkat:
        plan_name(plan, a[2] & AT_REMOVEDIR ? SPOOR_OP_RMDIR : SPOOR_OP_DELETE, a[0], a[1], SPOOR_F_NOFOLLOW);
        break;
    case NR_mkdir:
        plan_name(plan, SPOOR_OP_MKDIR, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_mkdirat:
        plan_name(plan, SPOOR_OP_MKDIR, a[0], a[1], SPOOR_F_NOFOLLOW);
        break;
    case NR_mknod:
        plan_name(plan, SPOOR_OP_MKNOD, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_mknodat:
        plan_name(plan, SPOOR_OP_MKNOD, a[0], a[1], SPOOR_F_NOFOLLOW);
        break;
    case NR_chmod: case NR_chown: case NR_utime: case NR_utimes: case NR_setxattr: case NR_removexattr:
        plan_name(plan, SPOOR_OP_METADATA, AT_FDCWD, a[0], 0);
        break;
    case NR_lchown: case NR_lsetxattr: case NR_lremovexattr:
        plan_name(plan, SPOOR_OP_METADATA, AT_FDCWD, a[0], SPOOR_F_NOFOLLOW);
        break;
    case NR_fchmodat:
        plan_name(plan, SPOOR_OP_METADATA, a[0], a[1], 0);
        break;
    case NR_fchmodat2: case NR_utimensat:
        plan_name_at(plan, SPOOR_OP_METADATA, a[0], a[1], a[3]);
        break;
    case NR_fchownat:
        plan_name_at(plan, SPOOR_OP_METADATA, a[0], a[1], a[4]);
        break;
    case NR_futimesat:
        plan_name(plan, SPOOR_OP_METADATA, a[0], a[1], 0);
        break;
    case NR_setxattrat: case NR_removexattrat:
        plan_name_at(plan, SPOOR_OP_METADATA, a[0], a[1], a[2]);
        break;
    case NR_rename:
        plan_names(plan, SPOOR_OP_RENAME, AT_FDCWD, a[0], AT_FDCWD, a[1]);
        plan->name_flags = NAME_AT_ENTRY;
        break;
    case NR_renameat:
        plan_names(plan, SPOOR_OP_RENAME, a[0], a[1], a[2], a[3]);
        plan->name_flags = NAME_AT_ENTRY;
        break;
    case NR_renameat2:
        plan_names(plan, SPOOR_OP_RENAME, a[0], a[1], a[2], a[3]);
        plan->name_flags = NAME_AT_ENTRY;
        if (a[4] & RENAME_EXCHANGE)
            plan->flags |= SPOOR_F_EXCHANGE;
        break;
    case NR_link:
        plan_names(plan, SPOOR_OP_LINK, AT_FDCWD, a[0], AT_FDCWD, a[1]);
        break;
    case NR_linkat:
        plan_names(plan, SPOOR_OP_LINK, a[0], a[1], a[2], a[3]);
        if (a[4] & AT_SYMLINK_FOLLOW)
            plan->flags &= ~SPOOR_F_NOFOLLOW;
        break;
    case NR_symlink:
        plan_names(plan, SPOOR_OP_SYMLINK, AT_FDCWD, a[1], AT_FDCWD, a[0]);
        plan->kind = PLAN_TEXT;
        break;
    case NR_symlinkat:
        plan_names(plan, SPOOR_OP_SYMLINK, a[1], a[2], AT_FDCWD, a[0]);
        plan->kind = PLAN_TEXT;
        break;
    case NR_execve:
        plan_name(plan, SPOOR_OP_EXEC, AT_FDCWD, a[0], 0);
        break;
    case NR_execveat:
        plan_name_at(plan, SPOOR_OP_EXEC, a[0], a[1], a[4]);
        break;
    case NR_connect: case NR_bind:
        plan->kind = PLAN_SOCKET;
        plan->op = nr == NR_connect ? SPOOR_OP_CONNECT : SPOOR_OP_BIND;
        plan->dirfd = a[0];
        plan->name = a[1];
        plan->length = a[2];
        break;
    case NR_sendto:
        if (!a[4])
            break;
        plan->kind = PLAN_SOCKET;
        plan->op = SPOOR_OP_CONNECT;
        plan->name = a[4];
        plan->length = a[5];
        break;
    case NR_sendmsg: case NR_sendmmsg:
        plan->kind = PLAN_MESSAGES;
        plan->op = SPOOR_OP_CONNECT;
        plan->name = a[1];
        if (nr == NR_sendmmsg)
            plan->dirfd = plan->compat ? 32 : 64;
        break;
    }
    return 0;
}
