/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the loader writes into the programs' maps and the programs keep there. Never leaves the
 * host's privileged side, unlike abi.h; compiled by both compilers like it.
 */
#ifndef SPOOR_BPF_STATE_H
#define SPOOR_BPF_STATE_H

#include "bpf/abi.h"

/* Raised by any change of what is below, of a map's layout in maps.bpf.h or of the set of programs: a
 * spoord adopts what another one of its own version has left (bpf/pins.h). */
#define SPOOR_STATE_VERSION 4

/* A cgroup in scope. Ids are unique within one hierarchy only; 0 is the v2 hierarchy. */
struct spoor_scope_key {
    SPOOR_U64 cgroup_id;
    SPOOR_U32 hierarchy;
    SPOOR_U32 reserved;
};

struct spoor_session {
    SPOOR_U64 root_cgroup_id; /* its removal ends the session */
    SPOOR_U32 root_hierarchy;
    SPOOR_U32 init_tgid;      /* host number of the container's init: its first execve starts recording */
    SPOOR_U32 started;
    SPOOR_U32 pid_level;      /* level of the pid namespace whose numbers are reported */
    struct spoor_counters counters;
};

enum spoor_process_flag {
    SPOOR_PROCESS_MAY_WRITE_MAPS = 1 << 0, /* has mapped a file in a way that mprotect(2) can make writable */
};

/* A process being recorded; keyed by its tgid on the host. */
struct spoor_process {
    SPOOR_U64 session;
    SPOOR_U64 start_ns;
    SPOOR_U64 instance; /* unique per process instance and task generation: part of all dedupe keys */
    SPOOR_U32 pid;      /* in the container's namespace */
    SPOOR_U32 tgid;     /* on the host */
    SPOOR_U32 flags;    /* enum spoor_process_flag */
    SPOOR_U32 refusal;  /* slot in the session's window + SPOOR_REFUSAL_SLOTS * its generation; 0: none */
};

/* Whose session it is: for a spoord that adopts it, the programs do not look. */
struct spoor_owner {
    SPOOR_U64 token[2]; /* secret: who shows it is the recorder that the session was granted to */
    SPOOR_U32 uid;
    SPOOR_U32 gid;
    SPOOR_U32 seen_entries; /* of its table of what has been reported */
    SPOOR_U32 reserved;
    char container_id[256]; /* for logs; NUL-ended */
    char cgroup[512];       /* its path, for the rules of tenants; empty if longer */
};

/* Entries that share a set of the table of what has been reported. */
#define SPOOR_SEEN_WAYS 8

#define SPOOR_TASK_KEYS_MAX 8
#define SPOOR_TASK_KEY_WORDS 6

/* The name of an environment variable and the '=' behind it, in words for a quick comparison: `mask`
 * has a 0xff for each byte of `text`. All zero: no key. */
struct spoor_task_key {
    SPOOR_U64 text[SPOOR_TASK_KEY_WORDS];
    SPOOR_U64 mask[SPOOR_TASK_KEY_WORDS];
};

struct spoor_task_keys {
    struct spoor_task_key keys[SPOOR_TASK_KEYS_MAX];
};

SPOOR_ASSERT(sizeof(struct spoor_scope_key) == 16, "no hidden padding");
SPOOR_ASSERT(sizeof(struct spoor_session) == 24 + sizeof(struct spoor_counters), "no hidden padding");
SPOOR_ASSERT(sizeof(struct spoor_owner) == 800, "no hidden padding");
SPOOR_ASSERT(sizeof(struct spoor_process) == 40, "no hidden padding");

#endif
