/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one layout that the BPF programs, the loader and the consumer share. Compiled as C for the
 * bpf target and as C++ for the host; the assertions below run in both. Fixed widths, explicit
 * padding, host byte order. Any change of a layout or a number raises SPOOR_ABI_VERSION.
 *
 * A ring holds records of struct spoor_event, each followed by its payload. All times are
 * CLOCK_BOOTTIME nanoseconds. (pid, start_ns) names a process instance for the life of a session.
 */
#ifndef SPOOR_BPF_ABI_H
#define SPOOR_BPF_ABI_H

#ifndef __bpf__
#include <stdint.h>
#define SPOOR_U8 uint8_t
#define SPOOR_U16 uint16_t
#define SPOOR_U32 uint32_t
#define SPOOR_S32 int32_t
#define SPOOR_U64 uint64_t
#else
#define SPOOR_U8 __u8
#define SPOOR_U16 __u16
#define SPOOR_U32 __u32
#define SPOOR_S32 __s32
#define SPOOR_U64 __u64
#endif

#define SPOOR_ABI_VERSION 2
#ifdef SPOOR_TEST_NEXT_RELEASE /* tests/broker: a spoord whose versions are other ones */
#undef SPOOR_ABI_VERSION
#define SPOOR_ABI_VERSION 1001
#endif

/* Longest payload parts, in bytes. A longer one is cut and the record carries SPOOR_F_TRUNCATED.
 * The base keeps its tail, the name its head. */
#define SPOOR_BASE_MAX 8192
#define SPOOR_NAME_MAX 4096

enum spoor_event_type {
    SPOOR_EV_FORK = 1,   /* pid, start_ns: the child; value: the parent's pid; aux_ns: its start */
    SPOOR_EV_EXEC = 2,   /* base: the new program's resolved path; value: the parent's pid */
    SPOOR_EV_EXIT = 3,   /* value: wait(2) status of the whole process */
    SPOOR_EV_ACCESS = 4, /* op, path; value: errno of the failed call or 0 */
    SPOOR_EV_AUX = 5,    /* op: enum spoor_aux; belongs to the later non-AUX record with the same
                            host_tid and the same time_ns */
    SPOOR_EV_END = 6,    /* the session's cgroup was removed: nothing can follow */
};

enum spoor_aux {
    SPOOR_AUX_TO = 1,     /* the second path of rename (new name), link (new name), symlink (target
                             text); same payload rules as an access */
    SPOOR_AUX_CWD = 2,    /* base: working directory at exec */
    SPOOR_AUX_ARGV = 3,   /* name: the argument strings, each ended by NUL */
    SPOOR_AUX_SCRIPT = 4, /* the path given to execve when the file named there was a script */
    SPOOR_AUX_LOADER = 5, /* base: the dynamic loader mapped by exec */
    SPOOR_AUX_ENV = 6,    /* name: one environment string that matches a task key */
};

/* Operations, named in accesses.jsonl as in the comment. */
enum spoor_op {
    SPOOR_OP_READ = 1,        /* read */
    SPOOR_OP_WRITE = 2,       /* write */
    SPOOR_OP_CREATE = 3,      /* create */
    SPOOR_OP_TRUNCATE = 4,    /* truncate */
    SPOOR_OP_DELETE = 5,      /* delete */
    SPOOR_OP_RENAME = 6,      /* rename */
    SPOOR_OP_LINK = 7,        /* link */
    SPOOR_OP_SYMLINK = 8,     /* symlink */
    SPOOR_OP_MKDIR = 9,       /* mkdir */
    SPOOR_OP_RMDIR = 10,      /* rmdir */
    SPOOR_OP_MKNOD = 11,      /* mknod */
    SPOOR_OP_METADATA = 12,   /* metadata */
    SPOOR_OP_LIST = 13,       /* list */
    SPOOR_OP_PROBE = 14,      /* probe: the object was there (stat, access, open) */
    SPOOR_OP_ABSENT = 15,     /* absent: ENOENT or ENOTDIR, whatever the call wanted */
    SPOOR_OP_READLINK = 16,   /* readlink */
    SPOOR_OP_EXEC = 17,       /* exec */
    SPOOR_OP_MMAP_EXEC = 18,  /* mmap-exec */
    SPOOR_OP_MMAP_WRITE = 19, /* mmap-write */
    SPOOR_OP_CONNECT = 20,    /* connect; name: "unix:PATH", "inet:ADDR:PORT" is made by the consumer */
    SPOOR_OP_BIND = 21,       /* bind */
    SPOOR_OP_LAST = SPOOR_OP_BIND,
};

enum spoor_flag {
    SPOOR_F_LEXICAL = 1 << 0,     /* the name part is what the caller passed: links in it are not resolved */
    SPOOR_F_TRUNCATED = 1 << 1,   /* a payload part was longer than its maximum */
    SPOOR_F_DELETED = 1 << 2,     /* the object had no name any more */
    SPOOR_F_INHERITED = 1 << 3,   /* through a descriptor that this process did not open */
    SPOOR_F_UNREACHABLE = 1 << 4, /* the object lies outside the process's root */
    SPOOR_F_DIRECTORY = 1 << 5,   /* the object is a directory */
    SPOOR_F_OPEN = 1 << 6,        /* a probe made by open(2) */
    SPOOR_F_INTENT = 1 << 7,      /* opened for this, whether it happened is not known */
    SPOOR_F_NOFOLLOW = 1 << 8,    /* the last component was not followed */
    SPOOR_F_EXCHANGE = 1 << 9,    /* rename with RENAME_EXCHANGE */
    SPOOR_F_SOCKADDR = 1 << 10,   /* name holds a raw struct sockaddr */
    SPOOR_F_MEMORY = 1 << 11,     /* a file without a place in the tree (memfd) */
    SPOOR_F_REFUSED = 1 << 12,    /* it was refused for the task's declaration: it has not happened */
};

/* One record's head. The payload is base_len bytes (an absolute path, resolved by the kernel, as
 * seen from the process's root) and then name_len bytes (what the caller passed, relative to
 * base; absolute if it starts with '/'). Either may be empty. No NUL ends them. */
struct spoor_event {
    SPOOR_U32 size; /* head and payload */
    SPOOR_U8 type;  /* enum spoor_event_type */
    SPOOR_U8 op;    /* enum spoor_op or enum spoor_aux */
    SPOOR_U16 flags; /* enum spoor_flag */
    SPOOR_U64 time_ns;
    SPOOR_U64 start_ns; /* of the process */
    SPOOR_U64 aux_ns;   /* FORK: start of the parent; otherwise 0 */
    SPOOR_U64 inode;    /* of a resolved object, else 0 */
    SPOOR_U32 pid;      /* in the container's pid namespace */
    SPOOR_U32 host_tid; /* thread, as the kernel has it: joins AUX records; never reported */
    SPOOR_S32 value;    /* by type */
    SPOOR_U32 device;   /* of a resolved object: major << 20 | minor, as the kernel keeps it */
    SPOOR_U16 base_len;
    SPOOR_U16 name_len;
    SPOOR_U32 host_pid; /* of the process, in the pid namespace that arm named; 0: none there. Never reported */
};

/* What the kernel side counts for a session. `emitted` is the number of records put into the
 * rings; a consumer that received fewer has lost some. The rest are losses by cause. */
struct spoor_counters {
    SPOOR_U64 emitted;
    SPOOR_U64 lost_ring_full;   /* no room in the ring */
    SPOOR_U64 lost_scratch;     /* no buffer to build a record in, or a program was left out (bpf/left_out.h) */
    SPOOR_U64 lost_processes;   /* the process table was full: a process is not traced */
    SPOOR_U64 lost_fault;       /* what a call named could not be read */
    SPOOR_U64 lost_scopes;      /* none; earlier releases had a table of child cgroups, which could be full */
    SPOOR_U64 refused;          /* accesses refused in place: no loss */
    SPOOR_U64 reserved;
};

#ifdef __cplusplus
#define SPOOR_ASSERT static_assert
#else
#define SPOOR_ASSERT _Static_assert
#endif
SPOOR_ASSERT(sizeof(struct spoor_event) == 64, "spoor_event has no hidden padding");
SPOOR_ASSERT(sizeof(struct spoor_counters) == 64, "spoor_counters has no hidden padding");

#endif
