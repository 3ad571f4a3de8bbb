/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the loader writes into the programs' maps and the programs keep there. Never leaves the
 * host's privileged side, unlike abi.h; compiled by both compilers like it.
 */
#ifndef SPOOR_BPF_STATE_H
#define SPOOR_BPF_STATE_H

#include "bpf/abi.h"

/* Raised by any change of what is below, of a map's layout in maps.bpf.h or of the set of programs: a
 * spoord goes on with what another one of its own version has left (bpf/pins.h).
 *
 * What another version has left it sees to the end, and new releases as well as old ones have to be able to.
 * What that takes is marked LASTING, and for ever:
 * - the maps `scopes`, `sessions`, `processes`, `owners` and `rings`, hashes by these names, and their keys;
 * - in their values the fields that are here now, where they are. More may be added, at the end.
 * Of the other maps nothing is asked. */
#define SPOOR_STATE_VERSION 11
#ifdef SPOOR_TEST_NEXT_RELEASE /* tests/broker: another version, whose values have grown */
#undef SPOOR_STATE_VERSION
#define SPOOR_STATE_VERSION 2001
#define SPOOR_ADDED SPOOR_U64 added[4];
#define SPOOR_ADDED_BYTES 32
#else
#define SPOOR_ADDED
#define SPOOR_ADDED_BYTES 0
#endif

/* LASTING. A cgroup in scope. Ids are unique within one hierarchy only; 0 is the v2 hierarchy. */
struct spoor_scope_key {
    SPOOR_U64 cgroup_id;
    SPOOR_U32 hierarchy;
    SPOOR_U32 reserved;
};

/* LASTING. */
struct spoor_session {
    SPOOR_U64 root_cgroup_id; /* its removal ends the session */
    SPOOR_U32 root_hierarchy;
    SPOOR_U32 init_pid;       /* of the container's init, in spoord's pid namespace: its first execve starts recording */
    SPOOR_U32 started;
    SPOOR_U32 pid_level;      /* level of the pid namespace whose numbers are reported */
    struct spoor_counters counters;
    SPOOR_U64 outer; /* the session that its root is beneath, which is told everything as well; 0: none */
    SPOOR_U64 requests; /* of io_uring that are under way and noted (uring.bpf.h) */
    SPOOR_U32 pid_namespace; /* inode; in whose numbers its recorder calls processes */
    SPOOR_U32 reserved;
    SPOOR_ADDED
};

/* LASTING: `session`, `pid`, `number`, `outer`, `outer_pid` and `outer_number`. A process being recorded; keyed by its tgid on the host. */
struct spoor_process {
    SPOOR_U64 session;
    SPOOR_U64 start_ns;
    SPOOR_U64 instance; /* unique per process instance and task generation: part of all dedupe keys */
    SPOOR_U32 pid;      /* in the container's namespace */
    SPOOR_U32 number;   /* in the session's pid_namespace; 0: none there */
    SPOOR_U32 reserved;
    SPOOR_U32 outer_pid; /* in the container that the outer session is of */
    SPOOR_U64 outer;     /* of its session; 0: none */
    SPOOR_U32 refusal;   /* slot in the session's window + SPOOR_REFUSAL_SLOTS * its generation; 0: none */
    SPOOR_U32 outer_number; /* in the outer session's one. Another version's may have 0 */
    SPOOR_U64 told_open; /* opened_key() of what refuse_file_open has found to be told; 0: nothing. The programs' own */
    SPOOR_U64 may_write; /* where files lie that it has mapped in a way that mprotect(2) can make writable: stretch_of() */
    SPOOR_ADDED
};

/* LASTING. Whose session it is: for a spoord that adopts it, the programs do not look. */
struct spoor_owner {
    SPOOR_U64 token[2]; /* secret: who shows it is the recorder that the session was granted to */
    SPOOR_U32 uid;
    SPOOR_U32 gid;
    SPOOR_U32 seen_entries; /* of its table of what has been reported */
    SPOOR_U32 reserved;
    char container_id[256]; /* for logs; NUL-ended */
    char cgroup[512];       /* its path, for the rules of tenants; empty if longer */
    SPOOR_ADDED
};

/* Entries that share a set of the table of what has been reported. */
#define SPOOR_SEEN_WAYS 8
/* For `sets` of these, a power of two, so many more stand before them, for open files; and how many of them a table of `all`
 * has. Powers of two as well. */
#define SPOOR_OPEN_SETS(sets) ((sets) < 4 ? 1 : (sets) / 4)
#define SPOOR_OPEN_SETS_OF(all) (((all) + 4) / 5)

/* Requests of io_uring that are noted at once, of all sessions, at most (uring.bpf.h). */
#define SPOOR_URING_TABLE 65536

/* Keys of the map `uring_counts`. */
enum spoor_uring_count {
    SPOOR_URING_NOTED = 0,   /* the programs count it, up and down */
    SPOOR_URING_REMOVED = 1, /* the loader does, up: requests of sessions that have ended */
};

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
SPOOR_ASSERT(sizeof(struct spoor_session) == 48 + sizeof(struct spoor_counters) + SPOOR_ADDED_BYTES, "no hidden padding");
SPOOR_ASSERT(sizeof(struct spoor_owner) == 800 + SPOOR_ADDED_BYTES, "no hidden padding");
SPOOR_ASSERT(sizeof(struct spoor_process) == 72 + SPOOR_ADDED_BYTES, "no hidden padding");

#endif
