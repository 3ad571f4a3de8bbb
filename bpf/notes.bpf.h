/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Notes: what the kernel found for the names of the call that a thread is in. Made by resolve.bpf.h while the call
 * runs, used by syscall.bpf.h when it returns.
 */
#pragma once

/* Loader: programs that make notes are attached. */
const volatile bool resolves_names = false;

/* Loader: names that the call itself may have moved come from the caller, counted from where they did when it began
 * (call_begins in syscall.bpf.h). Without it there is a note on each that succeeded (BPF LSM). */
const volatile bool notes_bases = true;

struct note {
    __u64 session; /* whose thread it is */
    __u64 call; /* call_key() */
    __u32 length;
    __u32 flags; /* enum spoor_flag */
    __u64 inode;
    __u64 generation;
    __u32 device;
    __u32 reserved;
    char path[SPOOR_BASE_MAX]; /* right-aligned, as in a scratch */
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32768); /* loader, as of `processes` */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct entry_key);
    __type(value, struct note);
} notes SEC(".maps");

/* In a scratch a note lies where its path ends with the base's end. */
#define NOTE_OFFSET (BASE_END - sizeof(struct note))
_Static_assert(sizeof(struct note) <= sizeof(struct spoor_event) + SPOOR_BASE_MAX, "a note fits below BASE_END");

/* Which system call the thread is in; never 0. Only calls that have no plan leave notes behind, so that a note of
 * the same call is of this very one. */
static __always_inline __u64 call_key(void)
{
    return (__u32)call_number(current_registers()) + 1ull;
}

static __always_inline void forget_note(bool second)
{
    struct entry_key key = {.thread = bpf_get_current_pid_tgid(), .second = second};

    bpf_map_delete_elem(&notes, &key);
}

/* The call is over, or its thread. */
static __noinline int forget_notes(void)
{
    if (!resolves_names)
        return 0;
    forget_note(false);
    forget_note(true);
    return 0;
}

/* The note on the current call's first or second name as the scratch's path. Returns 0, or -1 if there is none. */
GLOBAL int take_note(scratch_ref ref, __u32 second)
{
    struct scratch *scratch = scratch_of(ref);
    struct entry_key key = {.thread = bpf_get_current_pid_tgid(), .second = second};
    struct note *note = bpf_map_lookup_elem(&notes, &key);
    __u32 length;

    if (!scratch || !note || note->call != call_key())
        return -1;
    length = note->length;
    if (!length || length > SPOOR_BASE_MAX)
        return -1;
    scratch->base_start = BASE_END - length;
    scratch->name_len = 0;
    scratch->flags = note->flags;
    scratch->inode = note->inode;
    scratch->generation = note->generation;
    scratch->device = note->device;
    bpf_probe_read_kernel(&scratch->bytes[NOTE_OFFSET], sizeof(*note), note);
    return 0;
}
