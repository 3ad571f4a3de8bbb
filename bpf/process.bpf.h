/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Scope and processes: which cgroups belong to a session, which processes are recorded, and their
 * fork, exec and exit.
 *
 * A process is recorded from its first execve inside a cgroup in scope on, and so is everything it
 * forks; what the container runtime does there before is not. A container inside the container may have a
 * session of its own: its processes are handed over by the same rule, and told to both from then on. Until the container's init has
 * executed the user's program, an execve of anything else (a startContainer hook) is noise as well.
 */
#pragma once

static __always_inline bool may_be_recorded(__u32 tgid)
{
    __u32 at = tgid / 64;
    __u64 *bits = HAS_BIT_ATOMICS ? bpf_map_lookup_elem(&recorded, &at) : NULL;

    return !bits || (*(volatile __u64 *)bits >> tgid % 64 & 1);
}

static __always_inline void note_recorded(__u32 tgid, bool is)
{
    __u32 at = tgid / 64;
    __u64 *bits = HAS_BIT_ATOMICS ? bpf_map_lookup_elem(&recorded, &at) : NULL;

    if (bits)
        set_bits(bits, 1ull << tgid % 64, is);
}

/* The record of a process; NULL if it is not recorded. */
static __always_inline struct spoor_process *process_of(__u32 tgid)
{
    return may_be_recorded(tgid) ? bpf_map_lookup_elem(&processes, &tgid) : NULL;
}

static __always_inline struct spoor_process *current_process(void)
{
    return process_of(bpf_get_current_pid_tgid() >> 32);
}

/* How many cgroups up a session's root is looked for. */
#define SCOPE_LEVELS_MAX 64
#define SCOPE_TOO_DEEP (~0ull) /* no session's number; what is above is not known */

/* The session of the cgroup at `address`: that of the nearest root at or above it. 0: none. */
GLOBAL __u64 scope_of(__u64 address)
{
    struct cgroup *cgroup = (struct cgroup *)address;
    struct spoor_scope_key key = {.hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id)};

    for (int i = 0; i < SCOPE_LEVELS_MAX; i++) {
        struct cgroup_subsys_state *above;
        __u64 *session;

        key.cgroup_id = BPF_CORE_READ(cgroup, kn, id);
        session = bpf_map_lookup_elem(&scopes, &key);
        if (session)
            return *session;
        above = BPF_CORE_READ(cgroup, self.parent);
        if (!above)
            return 0;
        cgroup = (void *)above - bpf_core_field_offset(struct cgroup, self);
    }
    return SCOPE_TOO_DEEP;
}

static __always_inline __u64 scope_of_v1(struct task_struct *task, __u32 subsystem)
{
    struct css_set *css_set = BPF_CORE_READ(task, cgroups);
    struct cgroup_subsys_state *css = NULL;

    bpf_probe_read_kernel(&css, sizeof(css), (void *)css_set + bpf_core_field_offset(struct css_set, subsys) +
                                                 subsystem * sizeof(css));
    return css ? scope_of((__u64)BPF_CORE_READ(css, cgroup)) : 0;
}

/* The session of the task's cgroup: in the v2 hierarchy, else in v1's pids or freezer one. */
static __noinline __u64 session_of(struct task_struct *task)
{
    __u64 session = scope_of((__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp));

    if (!session && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
        session = scope_of_v1(task, bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
    if (!session && bpf_core_enum_value_exists(enum cgroup_subsys_id, freezer_cgrp_id))
        session = scope_of_v1(task, bpf_core_enum_value(enum cgroup_subsys_id, freezer_cgrp_id));
    return session;
}

static __always_inline __u32 pid_level(struct task_struct *leader)
{
    return BPF_CORE_READ(leader, thread_pid, level);
}

/* The number of a process in the pid namespaces of `level`; 0 if it lives outside of them, as
 * getppid(2) tells. */
static __noinline __u32 pid_at_level(struct task_struct *leader, __u32 level)
{
    struct pid *pid = BPF_CORE_READ(leader, thread_pid);
    __u32 own = BPF_CORE_READ(pid, level);
    int number = 0;

    if (level > own)
        return 0;
    bpf_probe_read_kernel(&number, sizeof(number),
                          (void *)pid + bpf_core_field_offset(struct pid, numbers) +
                              level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr));
    return number;
}

/* Loader: the inode of spoord's pid namespace. */
const volatile __u32 spoords_pid_namespace = 0;

#define FIRST_PID_NAMESPACE 0xEFFFFFFC /* PROC_PID_INIT_INO */
#define PID_LEVELS_MAX 33 /* pid namespaces in each other (MAX_PID_NS_LEVEL, and the first one) */

/* The number of the process whose leader is the task at `address`, in a pid namespace; 0: it has none there. */
GLOBAL __u32 number_in(__u32 pid_namespace, __u64 address)
{
    struct task_struct *leader = (struct task_struct *)address;
    struct pid *pid;
    __u32 deepest;

    if (pid_namespace == FIRST_PID_NAMESPACE)
        return BPF_CORE_READ(leader, tgid);
    pid = BPF_CORE_READ(leader, thread_pid);
    deepest = BPF_CORE_READ(pid, level);
    for (__u32 level = 0; level < PID_LEVELS_MAX && level <= deepest; level++) {
        void *number = (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
        struct pid_namespace *space = NULL;

        bpf_probe_read_kernel(&space, sizeof(space), number + bpf_core_field_offset(struct upid, ns));
        if (BPF_CORE_READ(space, ns.inum) == pid_namespace)
            return pid_at_level(leader, level);
    }
    return 0;
}

/* The address is read, so that it is a number also to the verifier. */
static __always_inline __u32 number_of(struct task_struct *leader, __u32 pid_namespace)
{
    return number_in(pid_namespace, (__u64)BPF_CORE_READ(leader, group_leader));
}

/* Whether it is the one with whose first execve the session starts. */
static __always_inline bool is_init_of(const struct spoor_session *session, struct task_struct *leader)
{
    return session->init_pid == number_of(leader, spoords_pid_namespace);
}

static __always_inline __u64 instance_of(__u32 tgid, __u64 start_ns, __u64 session)
{
    return (start_ns + session) * 0x9e3779b97f4a7c15ULL ^ (__u64)tgid << 32;
}

static __noinline int add_process(struct task_struct *leader, __u64 session_id)
{
    struct spoor_session *session = bpf_map_lookup_elem(&sessions, &session_id);
    __u32 tgid = BPF_CORE_READ(leader, tgid);
    struct spoor_process process = {
        .session = session_id,
        .start_ns = BPF_CORE_READ(leader, start_boottime),
    };

    if (!session)
        return -1;
    process.pid = pid_at_level(leader, session->pid_level);
    process.number = number_of(leader, session->pid_namespace);
    process.outer = session->outer;
    if (process.outer) {
        session = bpf_map_lookup_elem(&sessions, &process.outer);
        if (session) {
            process.outer_pid = pid_at_level(leader, session->pid_level);
            process.outer_number = number_of(leader, session->pid_namespace);
        }
    }
    process.instance = instance_of(tgid, process.start_ns, session_id);
    note_recorded(tgid, true);
    if (bpf_map_update_elem(&processes, &tgid, &process, BPF_ANY)) {
        COUNT(session_id, lost_processes);
        return -1;
    }
    return 0;
}

/* A process of the outer session that executes a program in the cgroup of an inner one. */
static __noinline int hand_over(struct spoor_process *process, struct task_struct *leader, __u64 inner)
{
    struct spoor_session *session;

    if (inner == process->session)
        return 0;
    session = bpf_map_lookup_elem(&sessions, &inner);
    if (!session || session->outer != process->session)
        return 0;
    if (!session->started) {
        if (!is_init_of(session, leader))
            return 0;
        session->pid_level = pid_level(leader);
        session->started = 1;
    }
    process->outer = process->session;
    process->outer_pid = process->pid;
    process->outer_number = process->number;
    process->session = inner;
    process->pid = pid_at_level(leader, session->pid_level);
    process->number = number_of(leader, session->pid_namespace);
    process->refusal = 0; /* a slot in the outer session's window, whose table knows the outer one's paths */
    /* What was told of it before was told to the outer session alone. */
    process->instance = instance_of(BPF_CORE_READ(leader, tgid), process->start_ns, inner);
    return 0;
}

/* Whether a process's child in the cgroup of `other` is traced as its parent is. */
static __noinline int follows(const struct spoor_process *parent, __u64 other)
{
    struct spoor_session *session;

    /* Nobody hides in the depth: who was traced stays so. */
    if (other == parent->session || other == SCOPE_TOO_DEEP)
        return 1;
    if (!other)
        return 0;
    session = bpf_map_lookup_elem(&sessions, &other);
    return other == parent->outer || (session && session->outer == parent->session);
}

static __always_inline void emit_plain(struct spoor_process *process, struct record *record)
{
    struct scratch *scratch = claim_scratch(process);

    if (!scratch)
        return;
    clear_path(scratch);
    scratch->record = *record;
    output(ref_of(scratch));
    release_scratch(scratch);
}

static __always_inline int forked(struct task_struct *parent, struct task_struct *child)
{
    __u32 tgid = BPF_CORE_READ(parent, tgid), child_tgid = BPF_CORE_READ(child, tgid);
    struct spoor_process *from = process_of(tgid), *process;
    struct record record = {.type = SPOOR_EV_FORK};
    struct spoor_session *session;

    if (!from || tgid == child_tgid)
        return 0;
    session = bpf_map_lookup_elem(&sessions, &from->session);
    if (!session || !follows(from, session_of(child)))
        return 0;
    if (add_process(child, from->session))
        return 0;
    process = bpf_map_lookup_elem(&processes, &child_tgid);
    if (!process)
        return 0;
    process->may_write = from->may_write;
    process->refusal = from->refusal;
    record.value = from->pid;
    record.outer_value = from->outer_pid;
    record.aux_ns = from->start_ns;
    record.time_ns = bpf_ktime_get_boot_ns();
    emit_plain(process, &record);
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
    return forked(parent, child);
}

static __always_inline int exiting(struct task_struct *task)
{
    struct signal_struct *signal = BPF_CORE_READ(task, signal);
    __u32 tgid = BPF_CORE_READ(task, tgid);
    struct spoor_process *process, last;
    struct record record = {.type = SPOOR_EV_EXIT};

    if (!may_be_recorded(tgid))
        return 0;
    process = bpf_map_lookup_elem(&processes, &tgid);
    if (process) {
        forget_entry(); /* killed in the middle of one */
        forget_notes();
    }
    if (BPF_CORE_READ(signal, live.counter) > 0)
        return 0;
    if (!process) { /* its session has ended before it */
        note_recorded(tgid, false);
        return 0;
    }
    last = *process;
    /* Several threads may get here at once, only one takes the entry out. */
    if (bpf_map_delete_elem(&processes, &tgid))
        return 0;
    note_recorded(tgid, false); /* nobody has its number before all of its threads are gone */
    if (BPF_CORE_READ(signal, flags) & 4 /* SIGNAL_GROUP_EXIT */)
        record.value = BPF_CORE_READ(signal, group_exit_code);
    else
        record.value = BPF_CORE_READ(task, group_leader, exit_code);
    record.time_ns = bpf_ktime_get_boot_ns();
    emit_plain(&last, &record);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
    return exiting(task);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
    struct spoor_scope_key key = {
        .cgroup_id = BPF_CORE_READ(cgroup, kn, id),
        .hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id),
    };
    __u64 *scope = bpf_map_lookup_elem(&scopes, &key);
    struct record record = {.type = SPOOR_EV_END, .time_ns = bpf_ktime_get_boot_ns()};
    struct spoor_process nobody = {};
    struct spoor_session *session;

    if (!scope)
        return 0;
    nobody.session = *scope;
    bpf_map_delete_elem(&scopes, &key);
    session = bpf_map_lookup_elem(&sessions, &nobody.session);
    if (session && session->root_cgroup_id == key.cgroup_id && session->root_hierarchy == key.hierarchy)
        emit_plain(&nobody, &record);
    return 0;
}
