/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One object from the concerns in the headers, which are in the order of their use. */
#include "vmlinux/x86_64/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/state.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define S_IFIFO 0010000

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

#include "drift.bpf.h"
#include "maps.bpf.h"
#include "path.bpf.h"
#include "emit.bpf.h"
#include "registers.bpf.h"
#include "notes.bpf.h"
#include "process.bpf.h"
#include "resolve.bpf.h"
#include "plan.bpf.h"
#include "open_file.bpf.h"
#include "exec.bpf.h"
#include "refusal.bpf.h"
#include "socket.bpf.h"
#include "syscall.bpf.h"
#include "uring.bpf.h"
#include "function.bpf.h"

char spoor_license[] SEC("license") = "Dual BSD/GPL";
