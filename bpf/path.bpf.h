/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Paths. An object's path is walked from its dentry up to the current process's root, across
 * mounts, as d_path() does (fs/d_path.c), and written right to left in front of BASE_END. What a
 * caller passed as a string goes behind BASE_END, so that both together are one run of bytes.
 */
#pragma once

static __always_inline long path_step(struct scratch *scratch)
{
    struct path_walk *walk = &scratch->path;
    struct dentry *dentry = (struct dentry *)walk->dentry, *parent;
    struct vfsmount *vfsmount = (struct vfsmount *)walk->mount;
    struct qstr name;
    __u32 length, start = walk->start;

    if ((__u64)dentry == walk->root_dentry && (__u64)vfsmount == walk->root_mount) {
        walk->done = 1;
        return 1;
    }
    if (dentry == BPF_CORE_READ(vfsmount, mnt_root)) {
        struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
        struct mount *above = BPF_CORE_READ(mount, mnt_parent);

        if (above == mount) {
            walk->flags |= SPOOR_F_UNREACHABLE;
            walk->done = 1;
            return 1;
        }
        walk->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
        walk->mount = (__u64)above + bpf_core_field_offset(struct mount, mnt);
        return 0;
    }
    parent = BPF_CORE_READ(dentry, d_parent);
    if (bpf_core_read(&name, sizeof(name), &dentry->d_name))
        goto broken;
    length = name.len & 0xff;
    if (start < sizeof(struct spoor_event) + length + 1)
        goto broken; /* longer than SPOOR_BASE_MAX: the head is cut */
    start -= length + 1;
    barrier_var(start); /* what is checked is what is used */
    if (start > BASE_END - 1)
        goto broken; /* cannot be; tells the verifier */
    scratch->bytes[start] = '/';
    if (bpf_probe_read_kernel(&scratch->bytes[start + 1], length, name.name))
        goto broken;
    walk->start = start;
    if (parent == dentry) {
        /* No mount holds this root: a memfd or another kernel-internal object. */
        walk->flags |= SPOOR_F_UNREACHABLE;
        walk->done = 1;
        return 1;
    }
    walk->dentry = (__u64)parent;
    return 0;

broken:
    walk->flags |= SPOOR_F_TRUNCATED;
    walk->done = 1;
    return 1;
}
/* Each component takes two bytes at least; mounts on top of each other take steps, too. */
REPEATED(path, SPOOR_BASE_MAX, 32, SPOOR_BASE_MAX / 32)

/* Puts the path of (mount, dentry) as the current process sees it into the scratch as its base. */
GLOBAL int set_base(scratch_ref ref, __u64 mount, __u64 dentry)
{
    struct fs_struct *fs = BPF_CORE_READ(current_task(), fs);
    struct scratch *scratch = scratch_of(ref);
    struct path_walk *walk;

    if (!scratch)
        return -1;
    walk = &scratch->path;
    walk->dentry = dentry;
    walk->mount = mount;
    walk->root_dentry = (__u64)BPF_CORE_READ(fs, root.dentry);
    walk->root_mount = (__u64)BPF_CORE_READ(fs, root.mnt);
    walk->start = BASE_END;
    walk->flags = 0;
    walk->done = 0;
    path_steps(scratch);
    if (!walk->done)
        walk->flags |= SPOOR_F_TRUNCATED;
    if (walk->start >= BASE_END) {
        walk->start = BASE_END - 1;
        scratch->bytes[BASE_END - 1] = '/';
    }
    scratch->base_start = walk->start;
    scratch->flags |= walk->flags;
    return 0;
}

static __always_inline void clear_path(struct scratch *scratch)
{
    scratch->base_start = BASE_END;
    scratch->name_len = 0;
    scratch->flags = 0;
    scratch->inode = 0;
    scratch->generation = 0;
    scratch->device = 0;
}

/* Removed from its directory; a file system's root never is. */
static __always_inline bool is_unhashed(struct dentry *dentry)
{
    return !BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry;
}

static __always_inline void set_inode(struct scratch *scratch, struct inode *inode)
{
    scratch->inode = BPF_CORE_READ(inode, i_ino);
    scratch->generation = BPF_CORE_READ(inode, i_generation);
    scratch->device = BPF_CORE_READ(inode, i_sb, s_dev);
    if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFDIR)
        scratch->flags |= SPOOR_F_DIRECTORY;
}

#define IS_KERNEL_INTERNAL (1 << 22)

/* On a mount of the kernel's own (SB_KERNMOUNT): memfd, pipe, socket, anonymous inode. Such an
 * object has no place in any tree. */
static __always_inline bool is_kernel_internal(struct inode *inode)
{
    return BPF_CORE_READ(inode, i_sb, s_flags) & IS_KERNEL_INTERNAL;
}

/* The file's own path and identity. */
static __noinline int set_file(struct scratch *scratch, struct file *file)
{
    struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
    struct inode *inode = BPF_CORE_READ(file, f_inode);

    clear_path(scratch);
    set_inode(scratch, inode);
    if (is_unhashed(dentry))
        scratch->flags |= SPOOR_F_DELETED;
    set_base(ref_of(scratch), (__u64)BPF_CORE_READ(file, f_path.mnt), (__u64)dentry);
    if (is_kernel_internal(inode))
        scratch->flags = (scratch->flags & ~SPOOR_F_UNREACHABLE) | SPOOR_F_MEMORY;
    return 0;
}

/* What a call was given lies in its process's memory, or, with io_uring, in the kernel's copy. */
static __always_inline long read_bytes(void *to, __u32 size, const void *from, bool kernel)
{
    return kernel ? bpf_probe_read_kernel(to, size, from) : bpf_probe_read_user(to, size, from);
}

/* Returns the length with the NUL, or a negative number. */
static __always_inline long read_string(char *to, __u32 size, const void *from, bool kernel)
{
    long length = kernel ? bpf_probe_read_kernel_str(to, size, from) : bpf_probe_read_user_str(to, size, from);

    return length_with_nul(length);
}

/* A string that filled the buffer: its end is marked as cut unless its NUL stands right there. */
static __always_inline void mark_cut_name(struct scratch *scratch, const char *string, bool kernel)
{
    char next = 0;

    read_bytes(&next, 1, string + SPOOR_NAME_MAX - 1, kernel);
    if (next)
        scratch->flags |= SPOOR_F_TRUNCATED;
}

static __always_inline struct file *file_of(__u32 fd)
{
    struct fdtable *fdt = BPF_CORE_READ(current_task(), files, fdt);
    struct file **table = BPF_CORE_READ(fdt, fd);
    struct file *file = NULL;

    if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
        return NULL;
    bpf_probe_read_kernel(&file, sizeof(file), table + fd);
    return file;
}

#define AT_FDCWD (-100)

enum name_flag {
    NAME_KERNEL = 1,  /* the string lies in the kernel's memory, not in the process's */
    NAME_IN_ROOT = 2, /* dirfd is the root: RESOLVE_IN_ROOT */
    NAME_AT_ENTRY = 4, /* counts from where it did when the call began: entry_bases */
    NAME_SECOND = 8,   /* the call's second name */
    NAME_NOTED = 16,   /* there may be a note on what it turned out to be (notes.bpf.h) */
    NAME_MAY_BE_EMPTY = 32, /* then dirfd itself is meant: AT_EMPTY_PATH, readlinkat(2) */
};

/* The directory that relative names count from as the base. Returns its dentry, or NULL. */
static __noinline struct dentry *set_dir_base(struct scratch *scratch, int dirfd)
{
    struct vfsmount *mount;
    struct dentry *dentry;

    if (dirfd == AT_FDCWD) {
        struct fs_struct *fs = BPF_CORE_READ(current_task(), fs);

        mount = BPF_CORE_READ(fs, pwd.mnt);
        dentry = BPF_CORE_READ(fs, pwd.dentry);
    } else {
        struct file *file = file_of(dirfd);

        if (!file)
            return NULL;
        mount = BPF_CORE_READ(file, f_path.mnt);
        dentry = BPF_CORE_READ(file, f_path.dentry);
    }
    set_base(ref_of(scratch), (__u64)mount, (__u64)dentry);
    if (is_unhashed(dentry))
        scratch->flags |= SPOOR_F_DELETED;
    return dentry;
}

/* In the scratch an entry_base lies where its path ends with the base's end. */
#define ENTRY_BASE_OFFSET (BASE_END - sizeof(struct entry_base))

/* Returns 0, or an error where there is no room for it. */
static __always_inline long keep_entry_base(struct scratch *scratch, const struct entry_key *key)
{
    struct entry_base *base = (struct entry_base *)&scratch->bytes[ENTRY_BASE_OFFSET];

    base->session = scratch->who.session;
    base->length = BASE_END - scratch->base_start;
    base->flags = scratch->flags;
    return bpf_map_update_elem(&entry_bases, key, base, BPF_ANY);
}

static __noinline bool take_entry_base(struct scratch *scratch, bool second)
{
    struct entry_key key = {.thread = bpf_get_current_pid_tgid(), .second = second};
    struct entry_base *base = bpf_map_lookup_elem(&entry_bases, &key);

    if (!base || base->length > SPOOR_BASE_MAX)
        return false;
    scratch->base_start = BASE_END - base->length;
    scratch->flags |= base->flags;
    bpf_probe_read_kernel(&scratch->bytes[ENTRY_BASE_OFFSET], sizeof(*base), base);
    return true;
}

/* The string without the slashes in front, as the kernel skips them; not more than a few. */
static __always_inline const char *behind_slashes(const char *string, bool kernel)
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        char first = 0;

        read_bytes(&first, 1, string, kernel);
        if (first != '/')
            break;
        string++;
    }
    return string;
}

/* The call is over, or its thread. */
static __always_inline void forget_entry(void)
{
    struct entry_key key = {.thread = bpf_get_current_pid_tgid()};

    bpf_map_delete_elem(&entry_bases, &key);
    key.second = 1;
    bpf_map_delete_elem(&entry_bases, &key);
}

/* (dirfd, string) as a *at system call got it. Returns 0, or -1 when it cannot be read. */
GLOBAL int set_name(scratch_ref ref, int dirfd, __u64 address, __u32 name_flags)
{
    struct scratch *scratch = scratch_of(ref);
    const char *string = (const char *)address;
    bool kernel = name_flags & NAME_KERNEL;
    char *name;
    long length;

    if (!scratch)
        return -1;
    name = &scratch->bytes[BASE_END];
    clear_path(scratch);
    if (name_flags & NAME_IN_ROOT)
        string = behind_slashes(string, kernel);
    length = read_string(name, SPOOR_NAME_MAX, string, kernel);
    if (length <= 0)
        return -1;
    scratch->name_len = (length - 1) & (SPOOR_NAME_MAX - 1);
    if (name[0] != '/' && !((name_flags & NAME_AT_ENTRY) && take_entry_base(scratch, name_flags & NAME_SECOND))) {
        struct dentry *dentry = set_dir_base(scratch, dirfd);

        if (!dentry)
            return -1;
        if (!scratch->name_len) /* the directory itself is meant */
            set_inode(scratch, BPF_CORE_READ(dentry, d_inode));
    }
    if (scratch->name_len)
        scratch->flags |= SPOOR_F_LEXICAL;
    if (length == SPOOR_NAME_MAX)
        mark_cut_name(scratch, string, kernel);
    return 0;
}

/* The working directory itself. */
static __noinline int set_cwd(struct scratch *scratch)
{
    struct dentry *dentry;

    clear_path(scratch);
    dentry = set_dir_base(scratch, AT_FDCWD);
    set_inode(scratch, BPF_CORE_READ(dentry, d_inode));
    return 0;
}
