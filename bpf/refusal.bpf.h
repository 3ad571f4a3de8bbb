/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Refusal in place, for tasks in strict mode where BPF LSM is active: an access that the task's declaration does not
 * have fails with EACCES before it has happened, and a record tells of it.
 *
 * The declaration is a table (base/path_table.h) in the session's window, a map that the recorder writes to through
 * mmap(2): the tenant's own, so nothing in it is believed, and nothing that it says reaches further than to the
 * session's own processes. Which table holds for a process stands in its entry (spoor_process.refusal). Who is not
 * refused here, for whatever reason, is judged by the recorder afterwards, as without BPF LSM.
 */
#pragma once

#include "base/path_table.h"

struct refusal_window {
    char bytes[SPOOR_WINDOW_BYTES];
};

struct spoor_window {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(struct refusal_window));
};

/* session -> its window */
struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __array(values, struct spoor_window);
} windows SEC(".maps");

/* Where the names of the path are kept between its two readings: behind the base, where no name stands. */
#define NAMES_AT BASE_END
_Static_assert(8 * SPOOR_PATH_NAMES_MAX <= SPOOR_NAME_MAX && BASE_END % 8 == 0, "the names fit");

/* What of a path a process may be refused: enum spoor_verdict, and how much of it has to be refused for a no. */
enum question { ASKS_READ = SPOOR_REFUSE_READ, ASKS_WRITE = SPOOR_REFUSE_WRITE, ASKS_ALL = 1 << 2 };

#ifdef SPOOR_FLOOR
/* The walks take bpf_loop; the loader leaves the programs out. */
static __always_inline int is_refused(scratch_ref ref, __u32 question) { return 0; }
#else
struct name_walk {
    struct scratch *scratch;
    const char *window;
    struct spoor_name_reading reading;
    __u32 length; /* of the path */
    __u32 names;
    __u32 in_name;
    __u32 failed;
};

static long name_walk_step(__u32 index, struct name_walk *walk)
{
    struct scratch *scratch = walk->scratch;
    __u32 names = walk->names;
    unsigned char byte;

    if (index >= walk->length || index >= SPOOR_BASE_MAX)
        return 1;
    byte = scratch->bytes[BASE_END - 1 - index];
    if (byte != '/') {
        spoor_read_byte(&walk->reading, walk->window, byte);
        walk->in_name = 1;
        return 0;
    }
    if (walk->in_name) {
        barrier_var(names); /* what is checked is what is used */
        if (names >= SPOOR_PATH_NAMES_MAX) {
            walk->failed = 1;
            return 1;
        }
        *(__u64 *)&scratch->bytes[NAMES_AT + 8 * names] = spoor_name_read(&walk->reading, walk->window);
        walk->names = names + 1;
    }
    spoor_begin_name(&walk->reading);
    walk->in_name = 0;
    return 0;
}

struct place_walk {
    struct scratch *scratch;
    const char *window;
    struct spoor_place_walk at;
    __u32 names; /* left */
    __u32 reserved;
};

static long place_walk_step(__u32 index, struct place_walk *walk)
{
    __u32 names = walk->names - 1;

    barrier_var(names);
    if (names >= SPOOR_PATH_NAMES_MAX)
        return 1;
    spoor_enter_name(&walk->at, walk->window, *(__u64 *)&walk->scratch->bytes[NAMES_AT + 8 * names]);
    walk->names = names;
    return 0;
}

#define SLOT_FIELD(window, slot, field)                                                                            \
    spoor_window_u32(window, (slot) * sizeof(struct spoor_refusal_slot) + offsetof(struct spoor_refusal_slot, field))

/* A yes is noted among what the session has seen, for the next time: it hangs on nothing but the path, the question, and the
 * table, whose replacement raises the sequence. For all processes that it holds for, so without their instance. */
static __always_inline void set_allowed_key(struct scratch *scratch, __u32 question, __u32 sequence)
{
    scratch->key.a = scratch->hash_a ^ ((__u64)scratch->who.refusal << 32 | sequence) * 0x2545f4914f6cdd1dULL;
    scratch->key.b = scratch->hash_b ^ (((__u64)SPOOR_OP_LAST + 1) << 32 | question) * 0x9e3779b97f4a7c15ULL;
}

/* Whether the process is refused the path in the scratch, which is hashed. */
GLOBAL int is_refused(scratch_ref ref, __u32 question)
{
    struct scratch *scratch = scratch_of(ref);
    struct name_walk names = {.scratch = scratch};
    struct place_walk places = {.scratch = scratch};
    __u32 slot, generation, sequence, table, verdict, asked, zero = 0;
    struct refusal_window *window;
    __u64 session;
    void *map;

    if (!scratch)
        return 0;
    session = scratch->who.session;
    slot = scratch->who.refusal % SPOOR_REFUSAL_SLOTS;
    generation = scratch->who.refusal / SPOOR_REFUSAL_SLOTS;
    map = bpf_map_lookup_elem(&windows, &session);
    if (!map)
        return 0;
    window = bpf_map_lookup_elem(map, &zero);
    if (!window)
        return 0;
    sequence = SLOT_FIELD(window->bytes, slot, sequence);
    table = SLOT_FIELD(window->bytes, slot, table);
    if (!table || SLOT_FIELD(window->bytes, slot, generation) != generation)
        return 0;
    set_allowed_key(scratch, question, sequence);
    if (was_seen(ref))
        return 0;

    names.window = window->bytes;
    names.length = BASE_END - scratch->base_start;
    names.names = names.in_name = names.failed = UNKNOWN_ZERO;
    spoor_begin_names(&names.reading, window->bytes, table);
    names.reading.state = UNKNOWN_ZERO;
    names.reading.hash += UNKNOWN_ZERO;
    bpf_loop(SPOOR_BASE_MAX, name_walk_step, &names, 0);
    if (names.failed)
        return 0;

    places.window = window->bytes;
    places.names = names.names;
    spoor_begin_places(&places.at, window->bytes, table);
    bpf_loop(SPOOR_PATH_NAMES_MAX, place_walk_step, &places, 0);
    verdict = spoor_verdict_here(&places.at, window->bytes) & (SPOOR_REFUSE_READ | SPOOR_REFUSE_WRITE);
    asked = question & (SPOOR_REFUSE_READ | SPOOR_REFUSE_WRITE);
    verdict = question & ASKS_ALL ? (verdict & asked) == asked : (verdict & asked) != 0;
    /* The table may have been replaced under our feet. The exchange keeps what was read in front of it. */
    __sync_fetch_and_add((__u32 *)&window->bytes[slot * sizeof(struct spoor_refusal_slot) +
                                                 offsetof(struct spoor_refusal_slot, reserved)],
                         0);
    if (SLOT_FIELD(window->bytes, slot, sequence) != sequence ||
        SLOT_FIELD(window->bytes, slot, generation) != generation)
        return 0;
    if (!verdict)
        mark_seen(ref);
    return verdict;
}

#endif

static __always_inline bool is_judged(const struct scratch *scratch)
{
    return !(scratch->flags & (SPOOR_F_UNREACHABLE | SPOOR_F_DELETED | SPOOR_F_TRUNCATED | SPOOR_F_MEMORY));
}

static __always_inline int judge(struct scratch *scratch, __u32 question)
{
    if (!is_judged(scratch))
        return 0;
    hash_path(ref_of(scratch));
    return is_refused(ref_of(scratch), question);
}

static __always_inline int refuse(struct scratch *scratch, const struct spoor_process *process, __u32 op)
{
    emit_access(ref_of(scratch), op, SPOOR_F_REFUSED, EACCES);
    COUNT(process->session, refused);
    return -EACCES;
}

/* Opening counts as doing. What is opened for reading and writing may yet be only read, or only written. */
static __noinline int refuse_open(struct spoor_process *process, struct file *file)
{
    /* The verifier knows what a hook is given: that is read without a helper's call. */
    __u32 mode = (__u32)file->f_mode, flags = file->f_flags, question, op;
    bool reads = mode & FMODE_IS_READ, truncates = flags & O_TRUNC;
    bool writes = (mode & FMODE_IS_WRITE) || truncates;
    struct inode *inode = file->f_inode;
    struct scratch *scratch;
    int result = 0;
    __u64 opened;

    if ((!reads && !writes) || (inode->i_mode & S_IFMT) != S_IFREG || inode->i_sb->s_flags & IS_KERNEL_INTERNAL ||
        !(scratch = claim_hook_scratch(process))) {
        process->told_open = 0; /* it may be of another file that was at this address */
        return 0;
    }
    opened = opened_key(process, address_of(scratch, file));
    /* But not what the caller opened, if this is what a file system opens beneath it. */
    if (process->told_open == opened)
        process->told_open = 0;
    set_file(scratch, file);
    if (writes) {
        question = reads && !truncates ? ASKS_READ | ASKS_WRITE | ASKS_ALL : ASKS_WRITE;
        op = truncates ? SPOOR_OP_TRUNCATE : SPOOR_OP_WRITE;
    } else {
        question = ASKS_READ;
        op = flags & FMODE_IS_EXEC ? SPOOR_OP_EXEC : SPOOR_OP_READ;
    }
    if (judge(scratch, question)) {
        result = refuse(scratch, process, op);
    } else if (is_judged(scratch)) {
        set_key(scratch, SPOOR_OP_PROBE, 0, 0);
        if (was_seen(ref_of(scratch)))
            process->told_open = opened;
    }
    release_scratch(scratch);
    return result;
}

/* A name that comes to stand for something: made, or the target of a rename or link. */
static __noinline int refuse_name(struct spoor_process *process, __u64 mount, struct dentry *dentry, __u32 op)
{
    struct scratch *scratch = claim_hook_scratch(process);
    int result = 0;

    if (!scratch)
        return 0;
    clear_path(scratch);
    set_base(ref_of(scratch), mount, address_of(scratch, dentry));
    if (judge(scratch, ASKS_WRITE))
        result = refuse(scratch, process, op);
    release_scratch(scratch);
    return result;
}

static __always_inline int refuse_child(const struct path *dir, struct dentry *dentry, __u32 op)
{
    struct spoor_process *process = current_process();

    if (!process || !process->refusal)
        return 0;
    return refuse_name(process, (__u64)BPF_CORE_READ(dir, mnt), dentry, op);
}

SEC("?lsm/file_open")
int BPF_PROG(refuse_file_open, struct file *file)
{
    struct spoor_process *process = current_process();

    if (!process || !process->refusal)
        return 0;
    return refuse_open(process, file);
}

SEC("?lsm/path_truncate")
int BPF_PROG(refuse_path_truncate, const struct path *path)
{
    return refuse_child(path, BPF_CORE_READ(path, dentry), SPOOR_OP_TRUNCATE);
}

/* Also when open(2) makes a file. */
SEC("?lsm/path_mknod")
int BPF_PROG(refuse_path_mknod, const struct path *dir, struct dentry *dentry)
{
    return refuse_child(dir, dentry, SPOOR_OP_CREATE);
}

SEC("?lsm/path_symlink")
int BPF_PROG(refuse_path_symlink, const struct path *dir, struct dentry *dentry)
{
    return refuse_child(dir, dentry, SPOOR_OP_SYMLINK);
}

SEC("?lsm/path_link")
int BPF_PROG(refuse_path_link, struct dentry *old, const struct path *dir, struct dentry *dentry)
{
    return refuse_child(dir, dentry, SPOOR_OP_CREATE);
}

SEC("?lsm/path_rename")
int BPF_PROG(refuse_path_rename, const struct path *old_dir, struct dentry *old, const struct path *new_dir,
             struct dentry *dentry)
{
    return refuse_child(new_dir, dentry, SPOOR_OP_CREATE);
}
