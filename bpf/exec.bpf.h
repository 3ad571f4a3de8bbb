/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * execve: one EXEC record, and before it in parts what belongs to it: working directory, arguments, the
 * environment's task keys, the script, the dynamic loader.
 */
#pragma once

/* The vm_area the dynamic loader was mapped to is found by AT_BASE of the auxiliary vector. */
#define AUX_VECTOR_BASE 7
#define AUX_VECTOR_MAX 28

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

/* Environment strings that tell which task a process belongs to. The keys lie in the scratch's beginning meanwhile:
 * these records have no base. */
#define KEYS_OF(scratch) ((struct spoor_task_keys *)(scratch)->bytes)
_Static_assert(sizeof(struct spoor_task_keys) <= SPOOR_BASE_MAX && __builtin_offsetof(struct scratch, bytes) % 8 == 0, "the keys fit");

/* Whether the string in the scratch begins with one of the keys and its '='. */
GLOBAL int is_task_key(scratch_ref ref)
{
    struct scratch *scratch = scratch_of(ref);

    if (!scratch)
        return 0;
#pragma unroll
    for (int i = 0; i < SPOOR_TASK_KEYS_MAX; i++) {
        const struct spoor_task_key *key = &KEYS_OF(scratch)->keys[i];
        __u64 differs = 0;

#pragma unroll
        for (int j = 0; j < SPOOR_TASK_KEY_WORDS; j++) {
            __u64 word;

            __builtin_memcpy(&word, &scratch->bytes[BASE_END + j * 8], 8);
            differs |= (word ^ key->text[j]) & key->mask[j];
        }
        /* Returning at once keeps the ways few that a verifier has to go. */
        if (!differs && key->mask[0])
            return 1;
    }
    return 0;
}

static __always_inline long env_step(struct scratch *scratch)
{
    struct env_walk *walk = &scratch->env;
    __u32 inside = walk->inside;
    long length;

    if (walk->at >= walk->end)
        return 1;
    length = read_string(&scratch->bytes[BASE_END], SPOOR_NAME_MAX, (void *)walk->at, false);
    if (length <= 0)
        return 1;
    /* A full buffer holds one byte less than was asked for, and the string may go on. */
    walk->inside = length == SPOOR_NAME_MAX;
    walk->at += walk->inside ? length - 1 : length;
    if (inside || !is_task_key(ref_of(scratch)))
        return 0;
    scratch->name_len = (length - 1) & (SPOOR_NAME_MAX - 1);
    scratch->flags = walk->inside ? SPOOR_F_TRUNCATED : 0;
    walk->done = output(ref_of(scratch)) < 0;
    return walk->done;
}
REPEATED(env, 1 << 20, 128, 256)

static __noinline int emit_task_keys(struct scratch *scratch, struct mm_struct *mm)
{
    __u64 session = scratch->who.session;
    struct spoor_task_keys *keys = bpf_map_lookup_elem(&task_keys, &session);
    struct env_walk *walk = &scratch->env;

    if (!keys && scratch->who.outer) {
        session = scratch->who.outer;
        keys = bpf_map_lookup_elem(&task_keys, &session);
    }
    if (!keys)
        return 0;
    clear_path(scratch);
    bpf_probe_read_kernel(KEYS_OF(scratch), sizeof(*keys), keys);
    walk->at = BPF_CORE_READ(mm, env_start);
    walk->end = BPF_CORE_READ(mm, env_end);
    walk->inside = 0;
    walk->done = 0;
    scratch->record.op = SPOOR_AUX_ENV;
    env_steps(scratch);
    if (!walk->done && walk->at < walk->end)
        COUNT(scratch->who.session, lost_fault); /* could not be read */
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
        return set_name(ref_of(scratch), AT_FDCWD, (__u64)name, NAME_KERNEL);
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
        return set_name(ref_of(scratch), fd, (__u64)name + at + 1, NAME_KERNEL);
    file = file_of(fd);
    return file ? set_file(scratch, file) : -1;
}

static __always_inline int executed(struct task_struct *task, struct linux_binprm *bprm)
{
    __u32 tgid = BPF_CORE_READ(task, tgid);
    struct spoor_process *process = process_of(tgid);
    struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    struct mm_struct *mm = BPF_CORE_READ(task, mm);
    struct spoor_session *session;
    struct scratch *scratch;
    struct record *record;
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
            if (!is_init_of(session, leader))
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
    process->may_write = 0; /* its memory is new */
    scratch = claim_scratch(process);
    if (!scratch)
        return 0;
    record = &scratch->record;
    *record = (struct record){.type = SPOOR_EV_AUX, .time_ns = bpf_ktime_get_boot_ns()};

    clear_path(scratch);
    set_dir_base(scratch, AT_FDCWD);
    record->op = SPOOR_AUX_CWD;
    if (output(ref_of(scratch)) < 0)
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
    record->op = SPOOR_AUX_ARGV;
    if (output(ref_of(scratch)) < 0)
        goto out;

    emit_task_keys(scratch, mm);

    if (!set_script(scratch, bprm)) {
        record->op = SPOOR_AUX_SCRIPT;
        if (output(ref_of(scratch)) < 0)
            goto out;
    }

    address = loader_address(task);
    if (address) {
        struct area area = {};

        if (!find_area(address, &area) && area.file) {
            set_file(scratch, area.file);
            record->op = SPOOR_AUX_LOADER;
            if (output(ref_of(scratch)) < 0)
                goto out;
        } else {
            COUNT(id, lost_fault);
        }
    }

    set_file(scratch, BPF_CORE_READ(mm, exe_file));
    record->type = SPOOR_EV_EXEC;
    record->op = 0;
    record->value = pid_at_level(BPF_CORE_READ(task, real_parent, group_leader), session->pid_level);
    if (process->outer) {
        id = process->outer;
        session = bpf_map_lookup_elem(&sessions, &id);
        if (session)
            record->outer_value = pid_at_level(BPF_CORE_READ(task, real_parent, group_leader), session->pid_level);
    }
    output(ref_of(scratch));
out:
    release_scratch(scratch);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    return executed(task, bprm);
}
