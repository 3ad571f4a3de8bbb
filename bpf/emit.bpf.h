/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a path in a scratch buffer to a record in the session's ring, at most once per (process
 * instance, operation, object). A record that found no room is counted and not marked as seen, so
 * that its next occurrence tries again.
 */
#pragma once

#define LOSS_OF(field) (offsetof(struct spoor_counters, field))

static __always_inline void count(__u64 session_id, __u32 offset)
{
    struct spoor_session *session = bpf_map_lookup_elem(&sessions, &session_id);

    if (session && offset < sizeof(struct spoor_counters))
        __sync_fetch_and_add((__u64 *)((char *)&session->counters + offset), 1);
}
#define COUNT_RING(session_id, field) count(session_id, offsetof(struct spoor_counters, field))

/* What is missing in a session is missing in the outer one, too. */
static __always_inline void count_loss(__u64 session_id, __u32 offset)
{
    struct spoor_session *session = bpf_map_lookup_elem(&sessions, &session_id);

    count(session_id, offset);
    if (session && session->outer)
        count(session->outer, offset);
}
#define COUNT(session_id, field) count_loss(session_id, offsetof(struct spoor_counters, field))

static __always_inline struct scratch *claim_one_of(__u32 begin, __u32 end)
{
    __u32 first = bpf_get_smp_processor_id() * SCRATCH_PER_CPU;

#pragma unroll
    for (__u32 i = begin; i < end; i++) {
        __u32 index = first + i;
        struct scratch *scratch = bpf_map_lookup_elem(&scratches, &index);

        if (scratch && claim(&scratch->busy)) {
            scratch->index = index;
            return scratch;
        }
    }
    return NULL;
}

static __noinline struct scratch *claim_scratch(const struct spoor_process *process)
{
    struct scratch *scratch = claim_one_of(0, SCRATCH_FOR_REPORTS);

    if (scratch)
        scratch->who = *process;
    else
        COUNT(process->session, lost_scratch);
    return scratch;
}

static __always_inline struct scratch *claim_hook_scratch(const struct spoor_process *process)
{
    struct scratch *scratch = claim_one_of(SCRATCH_FOR_REPORTS, SCRATCH_PER_CPU);

    if (scratch)
        scratch->who = *process;
    return scratch;
}

static __always_inline void release_scratch(struct scratch *scratch)
{
    release(&scratch->busy);
}

/* An address as a mere number: the verifier forgets what it points to on its way through memory. */
static __always_inline __u64 address_of(struct scratch *scratch, const void *pointer)
{
    *(volatile __u64 *)&scratch->hash_a = (__u64)pointer;
    return *(volatile __u64 *)&scratch->hash_a;
}

/* Two independent multiply-xorshift lanes over 8-byte words; the constants are odd and have about
 * half of their bits set. Secrecy of the seeds, not strength of the mixing, keeps a tenant from
 * making collisions, and the two lanes make accidental ones negligible. */
static __always_inline long hash_step(struct scratch *scratch)
{
    struct hash_walk *walk = &scratch->hash;
    __u32 at = walk->at;
    __u64 word;

    barrier_var(at); /* what is checked is what is used */
    if (at >= walk->end || at > sizeof(scratch->bytes) - 8)
        return 1;
    __builtin_memcpy(&word, &scratch->bytes[at], 8);
    walk->a = (walk->a ^ word) * 0x9fb21c651e98df25ULL;
    walk->a ^= walk->a >> 29;
    walk->b = (walk->b + word) * 0xd6e8feb86659fd93ULL;
    walk->b ^= walk->b >> 32;
    walk->at = at + 8;
    return 0;
}
#define HASH_STEPS ((SPOOR_BASE_MAX + SPOOR_NAME_MAX) / 8 + 1)
REPEATED(hash, HASH_STEPS, 32, HASH_STEPS / 32 + 1)

GLOBAL int hash_path(scratch_ref ref)
{
    struct scratch *scratch = scratch_of(ref);
    struct hash_walk *walk;
    __u32 end;
    __u64 a, b;

    if (!scratch)
        return -1;
    walk = &scratch->hash;
    end = BASE_END + scratch->name_len;
    walk->at = scratch->base_start;
    walk->end = end;
    walk->a = hash_seed_a ^ (end - scratch->base_start);
    walk->b = hash_seed_b ^ scratch->name_len;
    if (end <= BASE_END + SPOOR_NAME_MAX) /* the last word reads past the end */
        __builtin_memset(&scratch->bytes[end], 0, 8);
    hash_steps(scratch);
    /* The object too: a file made anew under the name of a deleted one is another object. */
    a = (walk->a ^ scratch->inode) * 0x9fb21c651e98df25ULL;
    b = (walk->b ^ (scratch->generation << 32 | scratch->device)) * 0xd6e8feb86659fd93ULL;
    scratch->hash_a = a ^ a >> 31;
    scratch->hash_b = b ^ b >> 33;
    return 0;
}

/* What the name says depends on whether it was followed. */
static __always_inline void set_key(struct scratch *scratch, __u32 op, __u32 flags, __u32 error)
{
    op |= (flags & (SPOOR_F_NOFOLLOW | SPOOR_F_EXCHANGE)) << 8;
    scratch->key.a = scratch->hash_a ^ scratch->who.instance * 0x2545f4914f6cdd1dULL;
    scratch->key.b = scratch->hash_b ^ (((__u64)op << 32 | error) + 1) * 0x9e3779b97f4a7c15ULL;
}

static __always_inline struct seen_set *seen_set_of(const struct scratch *scratch)
{
    const struct seen_key *key = &scratch->key;
    __u64 session = scratch->who.session;
    struct bpf_map *table = bpf_map_lookup_elem(&seen, &session);
    __u32 index, before;

    if (!table)
        return NULL; /* the session has ended meanwhile */
    before = SPOOR_OPEN_SETS_OF(table->max_entries);
    index = before + ((key->a ^ key->b) >> 32 & (table->max_entries - before - 1));
    return bpf_map_lookup_elem(table, &index);
}

/* Sets are read and written without a lock. Half of one key beside half of another is no key at all, as
 * much as two different accesses never have the same 128 bits: a race costs an event more, never one less. */
GLOBAL int was_seen(scratch_ref ref)
{
    struct scratch *scratch = scratch_of(ref);
    struct seen_set *set;
    struct seen_key key;

    if (!scratch)
        return 0;
    set = seen_set_of(scratch);
    if (!set)
        return 0;
    key = scratch->key;
#pragma unroll
    for (__u32 i = 0; i < SPOOR_SEEN_WAYS; i++) {
        volatile struct seen_key *one = &set->keys[i];

        if (one->a == key.a && one->b == key.b)
            return 1;
    }
    return 0;
}

GLOBAL int mark_seen(scratch_ref ref)
{
    struct scratch *scratch = scratch_of(ref);
    volatile struct seen_key *one;
    struct seen_set *set;
    __u32 at;

    if (!scratch)
        return 0;
    set = seen_set_of(scratch);
    if (!set)
        return 0;
    at = bpf_get_prandom_u32() % SPOOR_SEEN_WAYS;
#pragma unroll
    for (__u32 i = 0; i < SPOOR_SEEN_WAYS; i++) {
        one = &set->keys[i];
        if (!one->a && !one->b) {
            at = i;
            break;
        }
    }
    one = &set->keys[at % SPOOR_SEEN_WAYS];
    one->a = scratch->key.a;
    one->b = scratch->key.b;
    return 0;
}

/* Writes the scratch's record, head and payload, to the ring, and to the outer session's. Returns 0 when it is wherever
 * it has to be, -1 when it is nowhere. */
GLOBAL int output(scratch_ref ref)
{
    struct scratch *scratch = scratch_of(ref);
    const struct spoor_process *process;
    const struct record *record;
    __u32 start, name_len, size;
    struct spoor_event *event;
    __u64 session, outer;
    int told = 0, failed = 0;
    void *ring;

    if (!scratch)
        return -1;
    process = &scratch->who;
    record = &scratch->record;
    start = scratch->base_start;
    name_len = scratch->name_len;
    session = process->session;
    outer = process->outer;
    ring = bpf_map_lookup_elem(&rings, &session);
    if (!ring && !outer)
        return -1; /* the session has ended meanwhile */
    if (start < sizeof(*event) || start > BASE_END || name_len > SPOOR_NAME_MAX)
        return -1; /* cannot be; tells the verifier */
    size = sizeof(*event) + (BASE_END - start) + name_len;
    event = (struct spoor_event *)&scratch->bytes[start - sizeof(*event)];
    __builtin_memset(event, 0, sizeof(*event));
    event->size = size;
    event->type = record->type;
    event->op = record->op;
    event->flags = record->flags | scratch->flags;
    event->time_ns = record->time_ns;
    event->start_ns = process->start_ns;
    event->aux_ns = record->aux_ns;
    event->inode = scratch->inode;
    event->pid = process->pid;
    event->host_tid = (__u32)bpf_get_current_pid_tgid();
    event->value = record->value;
    event->device = scratch->device;
    event->base_len = BASE_END - start;
    event->name_len = name_len;
    event->host_pid = process->number;
    if (size > sizeof(*event) + SPOOR_BASE_MAX + SPOOR_NAME_MAX)
        return -1;
    if (!ring) {
        failed = 1;
    } else if (bpf_ringbuf_output(ring, event, size, 0)) {
        COUNT_RING(session, lost_ring_full);
        failed = 1;
    } else {
        COUNT_RING(session, emitted);
        told = 1;
    }
    ring = outer ? bpf_map_lookup_elem(&rings, &outer) : NULL;
    if (ring) {
        event->pid = process->outer_pid;
        event->host_pid = process->outer_number;
        if (record->type == SPOOR_EV_FORK || record->type == SPOOR_EV_EXEC)
            event->value = record->outer_value;
        if (bpf_ringbuf_output(ring, event, size, 0)) {
            COUNT_RING(outer, lost_ring_full);
            failed = 1;
        } else {
            COUNT_RING(outer, emitted);
            told = 1;
        }
    }
    return told ? failed : -1;
}

/* Successes that change which names there are. Each is told: made, deleted and made again is not
 * made and deleted. */
static __always_inline bool changes_names(__u32 op)
{
    return (1u << op) & (1u << SPOOR_OP_CREATE | 1u << SPOOR_OP_DELETE | 1u << SPOOR_OP_RENAME | 1u << SPOOR_OP_LINK |
                         1u << SPOOR_OP_SYMLINK | 1u << SPOOR_OP_MKDIR | 1u << SPOOR_OP_RMDIR |
                         1u << SPOOR_OP_MKNOD | 1u << SPOOR_OP_BIND);
}

/* An access to what is in the scratch. Returns 0 when it has been reported, now or before. */
GLOBAL int emit_access(scratch_ref ref, __u32 op, __u32 flags, int error)
{
    struct scratch *scratch = scratch_of(ref);
    bool once = error || !changes_names(op);

    if (!scratch)
        return -1;
    hash_path(ref);
    set_key(scratch, op, flags, error);
    if (once && was_seen(ref))
        return 0;
    scratch->record = (struct record){
        .type = SPOOR_EV_ACCESS, .op = op, .flags = flags, .value = error, .time_ns = bpf_ktime_get_boot_ns()};
    if (output(ref))
        return -1;
    if (once)
        mark_seen(ref);
    return 0;
}
