/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The LSM and fentry families: what a call's names turned out to be. While a recorded thread is in a system call,
 * these programs note the path and identity of each object that the kernel found for a name; when the call
 * returns, its plan (syscall.bpf.h) is carried out with what was noted, and with the names as the caller wrote
 * them where nothing was. They report nothing themselves.
 *
 * Names of things that are there come from the one function by which the kernel looks them up for system
 * calls, at its end (fexit); names that are made, moved or removed from security_path_*, by BPF LSM where that is
 * active and else by fentry. The loader chooses (hooks.h); the sections' '?' means that it has to.
 *
 * These programs can be preempted, and a second task's run is left out meanwhile (not by BPF LSM): then there is no note, and
 * the name is told as it was written.
 */
#pragma once

enum note_flag { NOTE_SECOND = 1, NOTE_MADE_DIRECTORY = 2 };

static __noinline int note_object(const struct spoor_process *process, __u64 mount, struct dentry *dentry,
                                  __u32 note_flags)
{
    struct entry_key key = {.thread = bpf_get_current_pid_tgid(), .second = note_flags & NOTE_SECOND};
    struct inode *inode = BPF_CORE_READ(dentry, d_inode);
    struct scratch *scratch = claim_hook_scratch(process);
    struct note *note;

    if (!scratch)
        return 0;
    clear_path(scratch);
    if (inode) {
        set_inode(scratch, inode);
        if (is_unhashed(dentry))
            scratch->flags |= SPOOR_F_DELETED;
    } else if (note_flags & NOTE_MADE_DIRECTORY) {
        scratch->flags |= SPOOR_F_DIRECTORY;
    }
    set_base(ref_of(scratch), mount, address_of(scratch, dentry));
    if (inode && is_kernel_internal(inode))
        scratch->flags = (scratch->flags & ~SPOOR_F_UNREACHABLE) | SPOOR_F_MEMORY;
    note = (struct note *)&scratch->bytes[NOTE_OFFSET];
    note->session = scratch->who.session;
    note->call = call_key();
    note->length = BASE_END - scratch->base_start;
    note->flags = scratch->flags;
    note->inode = scratch->inode;
    note->generation = scratch->generation;
    note->device = scratch->device;
    note->reserved = 0;
    if (bpf_map_update_elem(&notes, &key, note, BPF_ANY))
        bpf_map_delete_elem(&notes, &key);
    release_scratch(scratch);
    return 0;
}

/* A name in a directory: of something that is there, or is about to be. */
static __always_inline void note_child(const struct path *dir, struct dentry *dentry, __u32 note_flags)
{
    struct spoor_process *process = current_process();

    if (process)
        note_object(process, (__u64)BPF_CORE_READ(dir, mnt), dentry, note_flags);
}

/* A name that was looked up. A second try after ESTALE may fail; then the first one's note is void. */
static __always_inline int looked_up(const struct spoor_process *process, const struct path *path, int result)
{
    if (result)
        forget_note(false);
    else
        note_object(process, (__u64)BPF_CORE_READ(path, mnt), BPF_CORE_READ(path, dentry), 0);
    return 0;
}

SEC("?fexit/filename_lookup")
int BPF_PROG(fexit_filename_lookup, int dirfd, struct filename *name, unsigned flags, struct path *path,
             struct path *root, int result)
{
    struct spoor_process *process = current_process();

    return process ? looked_up(process, path, result) : 0;
}

/* For when that one was left out, because another task was interrupted in it: then this one, where hardly anything happens, is
 * not. */
SEC("?fexit/filename_lookup")
int BPF_PROG(fexit_filename_lookup_again, int dirfd, struct filename *name, unsigned flags, struct path *path,
             struct path *root, int result)
{
    struct spoor_process *process = current_process();
    struct entry_key key = {.thread = bpf_get_current_pid_tgid()};
    struct note *note;

    if (!process)
        return 0;
    note = bpf_map_lookup_elem(&notes, &key);
    if (!result && note && note->call == call_key() && note->inode == BPF_CORE_READ(path, dentry, d_inode, i_ino))
        return 0;
    return looked_up(process, path, result);
}

/* A program at the LSM hook path_NAME and its twin at the function that calls the hooks. */
#define AT_PATH_HOOK(name, action, ...)                 \
    SEC("?lsm/path_" #name)                             \
    int BPF_PROG(lsm_path_##name, __VA_ARGS__)          \
    {                                                   \
        action;                                         \
        return 0;                                       \
    }                                                   \
    SEC("?fentry/security_path_" #name)                 \
    int BPF_PROG(fentry_path_##name, __VA_ARGS__)       \
    {                                                   \
        action;                                         \
        return 0;                                       \
    }

AT_PATH_HOOK(unlink, note_child(dir, dentry, 0), const struct path *dir, struct dentry *dentry)
AT_PATH_HOOK(rmdir, note_child(dir, dentry, 0), const struct path *dir, struct dentry *dentry)
AT_PATH_HOOK(mkdir, note_child(dir, dentry, NOTE_MADE_DIRECTORY), const struct path *dir, struct dentry *dentry)
AT_PATH_HOOK(mknod, note_child(dir, dentry, 0), const struct path *dir, struct dentry *dentry)
AT_PATH_HOOK(symlink, note_child(dir, dentry, 0), const struct path *dir, struct dentry *dentry)
/* The old name was looked up. */
AT_PATH_HOOK(link, note_child(dir, dentry, NOTE_SECOND), struct dentry *old, const struct path *dir,
             struct dentry *dentry)
/* Ahead of the change of what paths are seen from. Looked up as well; but no run here is left out. */
SEC("?lsm/path_chroot")
int BPF_PROG(lsm_path_chroot, const struct path *path)
{
    note_child(path, BPF_CORE_READ(path, dentry), 0);
    return 0;
}
AT_PATH_HOOK(rename, note_child(old_dir, old, 0); note_child(new_dir, dentry, NOTE_SECOND),
             const struct path *old_dir, struct dentry *old, const struct path *new_dir, struct dentry *dentry)
