/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * execve: one EXEC record, and before it in parts what belongs to it: working directory, arguments, the
 * environment's task keys, the script, the dynamic loader.
 */
#pragma once

/* The vm_area the dynamic loader was mapped to is found by AT_BASE of the auxiliary vector. */
#define AUX_VECTOR_BASE 7
#define AUX_VECTOR_MAX 28

struct loader_search {
    struct scratch *scratch;
    __u32 found;
    __u32 reserved;
};

static long on_loader(struct task_struct *task, struct vm_area_struct *vma, struct loader_search *search)
{
    struct file *file = BPF_CORE_READ(vma, vm_file);

    if (!file)
        return 0;
    set_file(search->scratch, file);
    search->found = 1;
    return 0;
}

static __noinline __u64 loader_address(struct task_struct *task)
{
    struct mm_struct *mm = BPF_CORE_READ(task, mm);
    void *vector = (void *)mm + bpf_core_field_offset(struct mm_struct, saved_auxv);

    for (int i = 0; i < AUX_VECTOR_MAX; i++) {
        __u64 entry[2] = {};

        bpf_probe_read_kernel(entry, sizeof(entry), vector + i * sizeof(entry));
        if (entry[0] == AUX_VECTOR_BASE)
            return entry[1];
        if (entry[0] == 0)
            break;
    }
    return 0;
}

/* Environment strings that tell which task a process belongs to. */
struct env_walk {
    struct scratch *scratch;
    const struct spoor_process *process;
    struct record *record;
    const struct spoor_task_keys *keys;
    __u64 at, end;
    __u32 inside; /* `at` is in the middle of a string that is longer than a name may be */
    __u32 reserved;
};

/* Whether the string in the scratch begins with a key and its '='. */
GLOBAL int is_task_key(const struct scratch *scratch, const struct spoor_task_key *key)
{
    __u64 differs = 0;

    if (!scratch || !key)
        return 0;
#pragma unroll
    for (int i = 0; i < SPOOR_TASK_KEY_WORDS; i++) {
        __u64 word;

        __builtin_memcpy(&word, &scratch->bytes[BASE_END + i * 8], 8);
        differs |= (word ^ key->text[i]) & key->mask[i];
    }
    return key->mask[0] && !differs;
}

static long env_step(__u32 index, struct env_walk *walk)
{
    struct scratch *scratch = walk->scratch;
    __u32 inside = walk->inside;
    int wanted = 0;
    long length;

    if (walk->at >= walk->end)
        return 1;
    length = read_string(&scratch->bytes[BASE_END], SPOOR_NAME_MAX, (void *)walk->at, false);
    if (length <= 0) {
        COUNT(walk->process->session, lost_fault);
        return 1;
    }
    /* A full buffer holds one byte less than was asked for, and the string may go on. */
    walk->inside = length == SPOOR_NAME_MAX;
    walk->at += walk->inside ? length - 1 : length;
    if (inside)
        return 0;
#pragma unroll
    for (int i = 0; i < SPOOR_TASK_KEYS_MAX; i++)
        wanted |= is_task_key(scratch, &walk->keys->keys[i]);
    if (!wanted)
        return 0;
    scratch->name_len = (length - 1) & (SPOOR_NAME_MAX - 1);
    scratch->flags = walk->inside ? SPOOR_F_TRUNCATED : 0;
    return output(scratch, walk->process, walk->record) < 0;
}

static __noinline int emit_task_keys(struct scratch *scratch, const struct spoor_process *process,
                                     struct record *record, struct mm_struct *mm)
{
    __u64 session = process->session;
    struct env_walk walk = {
        .scratch = scratch, .process = process, .record = record, .keys = bpf_map_lookup_elem(&task_keys, &session),
        .at = BPF_CORE_READ(mm, env_start), .end = BPF_CORE_READ(mm, env_end), .inside = UNKNOWN_ZERO};

    if (!walk.keys && process->outer) {
        session = process->outer;
        walk.keys = bpf_map_lookup_elem(&task_keys, &session);
    }
    if (!walk.keys)
        return 0;
    clear_path(scratch);
    record->op = SPOOR_AUX_ENV;
    bpf_loop(1 << 20, env_step, &walk, 0);
    return 0;
}

/* The script that execve was given. execveat(2) by descriptor names it /dev/fd/N or /dev/fd/N/NAME
 * (fs/exec.c); the descriptor is open still, or no interpreter could have read the script. Returns
 * 0 when there is one and it is in the scratch. */
static __noinline int set_script(struct scratch *scratch, struct linux_binprm *bprm)
{
    const char *name = BPF_CORE_READ(bprm, filename);
    char digits[16] = {};
    __u32 fd = 0, at = 0;
    struct file *file;

    if (BPF_CORE_READ(bprm, interp) == name)
        return -1;
    if (!BPF_CORE_READ(bprm, fdpath))
        return set_name(scratch, AT_FDCWD, (__u64)name, NAME_KERNEL);
    name += sizeof("/dev/fd/") - 1;
    bpf_probe_read_kernel_str(digits, sizeof(digits), name);
#pragma unroll
    for (int i = 0; i < 10; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            break;
        fd = fd * 10 + (digits[i] - '0');
        at = i + 1;
    }
    if (digits[at & 15] == '/')
        return set_name(scratch, fd, (__u64)name + at + 1, NAME_KERNEL);
    file = file_of(fd);
    return file ? set_file(scratch, file) : -1;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    __u32 tgid = BPF_CORE_READ(task, tgid);
    struct spoor_process *process = bpf_map_lookup_elem(&processes, &tgid);
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    struct record record = {.type = SPOOR_EV_AUX};
    struct mm_struct *mm = BPF_CORE_READ(task, mm);
    struct spoor_session *session;
    struct scratch *scratch;
    __u64 id, address;
    long length;

    if (process) {
        hand_over(process, leader, session_of(task));
        id = process->session;
        session = bpf_map_lookup_elem(&sessions, &id);
        if (!session)
            return 0;
    } else {
        id = session_of(task);
        session = id ? bpf_map_lookup_elem(&sessions, &id) : NULL;
        if (!session)
            return 0;
        if (!session->started) {
            if (session->init_tgid != tgid)
                return 0;
            session->pid_level = pid_level(leader);
            session->started = 1;
        }
        if (add_process(leader, id))
            return 0;
        process = bpf_map_lookup_elem(&processes, &tgid);
        if (!process)
            return 0;
    }
    process->flags = 0; /* its memory is new */
    scratch = claim_scratch(id);
    if (!scratch)
        return 0;
    record.time_ns = bpf_ktime_get_boot_ns();

    clear_path(scratch);
    set_dir_base(scratch, AT_FDCWD);
    record.op = SPOOR_AUX_CWD;
    if (output(scratch, process, &record) < 0)
        goto out;

    clear_path(scratch);
    length = BPF_CORE_READ(mm, arg_end) - BPF_CORE_READ(mm, arg_start);
    if (length >= SPOOR_NAME_MAX) {
        length = SPOOR_NAME_MAX - 1;
        scratch->flags |= SPOOR_F_TRUNCATED;
    }
    length &= SPOOR_NAME_MAX - 1;
    if (!bpf_probe_read_user(&scratch->bytes[BASE_END], length, (void *)BPF_CORE_READ(mm, arg_start)))
        scratch->name_len = length;
    else
        scratch->flags |= SPOOR_F_TRUNCATED;
    record.op = SPOOR_AUX_ARGV;
    if (output(scratch, process, &record) < 0)
        goto out;

    emit_task_keys(scratch, process, &record, mm);

    if (!set_script(scratch, bprm)) {
        record.op = SPOOR_AUX_SCRIPT;
        if (output(scratch, process, &record) < 0)
            goto out;
    }

    address = loader_address(task);
    if (address) {
        struct loader_search search = {.scratch = scratch, .found = UNKNOWN_ZERO};

        clear_path(scratch);
        bpf_find_vma(bpf_get_current_task_btf(), address, on_loader, &search, 0);
        if (search.found) {
            record.op = SPOOR_AUX_LOADER;
            if (output(scratch, process, &record) < 0)
                goto out;
        } else {
            COUNT(id, lost_fault);
        }
    }

    set_file(scratch, BPF_CORE_READ(mm, exe_file));
    record.type = SPOOR_EV_EXEC;
    record.op = 0;
    record.value = pid_at_level(BPF_CORE_READ(task, real_parent, group_leader), session->pid_level);
    if (process->outer) {
        id = process->outer;
        session = bpf_map_lookup_elem(&sessions, &id);
        if (session)
            record.outer_value = pid_at_level(BPF_CORE_READ(task, real_parent, group_leader), session->pid_level);
    }
    output(scratch, process, &record);
out:
    release_scratch(scratch);
    return 0;
}
