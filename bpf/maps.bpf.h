/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The programs' maps. Sizes marked "loader" are set before load from the broker's configuration.
 */
#pragma once

/* Root of a session -> session. Cgroups beneath have no entry, so that nobody fills it by making some. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct spoor_scope_key);
    __type(value, __u64);
} scopes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct spoor_session);
} sessions SEC(".maps");

/* tgid -> process. It has room for all the processes that the machine can have, so that no tenant's leave none
 * to others; memory is taken for those that there are. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32768); /* loader */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct spoor_process);
} processes SEC(".maps");

/* A bit for each process that may be in `processes`, by its tgid: a call of anybody else's costs no more than to see that it is not
 * set. Set before an entry is made, cleared when its process ends; one too many costs a look-up. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1); /* loader: as many as there can be, by 64. Who is beyond is looked up */
    __type(key, __u32);
    __type(value, __u64);
} recorded SEC(".maps");

/* session -> what to look for in the environment of its programs */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct spoor_task_keys);
} task_keys SEC(".maps");

/* session -> whose it is. The loader's own; among the maps because it lives and dies with them. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u64);
    __type(value, struct spoor_owner);
} owners SEC(".maps");

struct spoor_ring {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
};

/* session -> its ring; rings of a session may differ in size. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __array(values, struct spoor_ring);
} rings SEC(".maps");

/* Which (process instance, operation, object) has been reported: a table a session, so that nobody's
 * accesses push out what was noted of somebody else's. Sets of a few keys, in one of which a key's hash puts
 * it; what a full set gives up is left to chance. That costs one more event, which the consumer drops.
 *
 * The first sets of the table, one beside four others (SPOOR_OPEN_SETS), are for the session's open files: what has been
 * reported of one in a process, so that the next read(2) costs no walk, and whether the process has opened it itself. What
 * is given up there is a file that has been closed, if there is one, and else left to chance: then what the process
 * opened itself looks inherited. */
struct seen_key {
    __u64 a;
    __u64 b;
};
struct open_file {
    __u64 file; /* address of the struct file, which is used again after close; 0: free */
    __u64 instance;
    __u64 state; /* enum open_bit beside a hash of file, instance, dentry and inode, which half of another entry does not have */
};
#define OPEN_WAYS 5
struct seen_set {
    union {
        struct seen_key keys[SPOOR_SEEN_WAYS]; /* all zero: free */
        struct open_file files[OPEN_WAYS];
    };
};
enum open_bit {
    OPEN_HERE = 1 << 0, /* this process opened it */
    OPEN_READ = 1 << 1,
    OPEN_WRITE = 1 << 2,
    OPEN_LIST = 1 << 3,
    OPEN_MMAP_EXEC = 1 << 4,
    OPEN_MMAP_WRITE = 1 << 5,
    OPEN_METADATA = 1 << 6,
    OPEN_PROBE = 1 << 7,
    OPEN_TRUNCATE = 1 << 8,
    OPEN_READLINK = 1 << 9,
    OPEN_BITS = (1 << 10) - 1,
};
struct seen_table {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP); /* tables differ in size */
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32)); /* of a map in a map clang 14 does not tell the types */
    __uint(value_size, sizeof(struct seen_set));
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __array(values, struct seen_table);
} seen SEC(".maps");

/* What a record says beside its path. */
struct record {
    __u32 type;
    __u32 op;
    __u32 flags;
    __s32 value;
    __u64 time_ns;
    __u64 aux_ns;
    __s32 outer_value; /* FORK, EXEC: the parent's pid as the outer session has it */
    __u32 reserved;
};

/* How far repeated steps (REPEATED) have come. In a scratch and not on a stack: what the verifier reads from there it
 * takes for any number, so the first step stands for all. */
struct path_walk {
    __u64 dentry, mount;
    __u64 root_dentry, root_mount;
    __u32 start;
    __u32 flags; /* enum spoor_flag */
    __u32 done;
    __u32 reserved;
};
struct hash_walk {
    __u64 a, b;
    __u32 at, end; /* offsets in `bytes` */
};
struct env_walk {
    __u64 at, end;
    __u32 inside; /* `at` is in the middle of a string that is longer than a name may be */
    __u32 done;
};
struct protect_walk {
    __u64 at, end;
    __u32 prot;
    __u32 done;
};
struct aio_walk {
    __u64 requests; /* of the caller: pointers to struct iocb */
    __u32 at, count;
    __u32 compat;
    __u32 reserved;
};
struct message_walk {
    __u64 messages; /* of the caller: struct user_msghdr, or mmsghdr, which begins with one */
    __u32 at, count;
    __u32 size;
    __u32 compat;
    __u32 error;
    __u32 reserved;
};

/* Buffers in which records are built. A program may be preempted by another one on its processor,
 * so a buffer is claimed with an atomic exchange and given back; there are several a processor.
 *
 * `bytes`: room for the head, then the base (right-aligned against its end), then the name. The
 * spare at the end lets the verifier, which takes offset and size to be unrelated, accept any pair
 * of them. */
#define BASE_END ((__u32)sizeof(struct spoor_event) + SPOOR_BASE_MAX)
struct scratch {
    __u32 busy;
    __u32 base_start; /* offset of the base's first byte in `bytes` */
    __u32 name_len;
    __u32 flags;
    __u64 hash_a; /* of base and name */
    __u64 hash_b;
    __u64 inode;
    __u64 generation;
    __u32 device;
    __u32 index; /* in `scratches` */
    struct spoor_process who; /* as it was when the buffer was claimed */
    struct record record;
    struct seen_key key; /* of what is being told */
    union {
        struct path_walk path;
        struct hash_walk hash;
        struct env_walk env;
        struct protect_walk protect;
        struct aio_walk aio;
        struct message_walk messages;
    };
    char bytes[2 * (sizeof(struct spoor_event) + SPOOR_BASE_MAX) + SPOOR_NAME_MAX + 512];
};
#define SCRATCH_PER_CPU 6
#define SCRATCH_FOR_REPORTS 4 /* the others are for notes (resolve.bpf.h), of which nobody is told when there is none left */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SCRATCH_PER_CPU); /* loader: times the number of processors */
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

#ifdef SPOOR_FLOOR
static __always_inline scratch_ref ref_of(struct scratch *scratch) { return scratch->index; }
static __always_inline struct scratch *scratch_of(scratch_ref ref) { return bpf_map_lookup_elem(&scratches, &ref); }
#else
static __always_inline scratch_ref ref_of(struct scratch *scratch) { return scratch; }
static __always_inline struct scratch *scratch_of(scratch_ref ref) { return ref; }
#endif

/* What relative names of a call count from, noted when it begins: rename(2) may move the caller's own
 * working directory, chroot(2) changes what the path is seen from. */
struct entry_key {
    __u64 thread; /* bpf_get_current_pid_tgid() */
    __u64 second; /* 1: the base of the second name */
};
struct entry_base {
    __u64 session; /* whose thread it is */
    __u32 length;
    __u32 flags; /* enum spoor_flag */
    char path[SPOOR_BASE_MAX]; /* right-aligned, as in a scratch */
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32768); /* loader, as of `processes`: room for all threads that the machine can have */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct entry_key);
    __type(value, struct entry_base);
} entry_bases SEC(".maps");

/* Secret, so that nobody can make two paths that look the same to `seen`. Loader. */
const volatile __u64 hash_seed_a = 1;
const volatile __u64 hash_seed_b = 2;
