// Reaching one process of the container from the host, by its host pid, and being sure that it is that
// one: pids are reused, so each answer is about the process that started at `start_ns`
// (CLOCK_BOOTTIME) or none.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/ipc/broker_client.h"
#include "shim/ipc/job.h"
#include "signal/session.h"
#include "signal/task_book.h"
#include "signal/trail.h"

namespace spoor {

// SIGKILL. ESRCH: it has ended. `host_pid` 0: not known, ESRCH as well.
Status kill_process(uint32_t host_pid, uint64_t start_ns);

// The process that has number `pid` in the pid namespace of inode `pid_namespace`. `container_namespace`:
// the inode of the container's own, 0 if it is not known.
std::optional<ProcessKey> find_in_namespace(uint32_t pid, uint64_t pid_namespace,
                                            uint64_t container_namespace, const Attribution& processes);

// Inode of the pid namespace of a process; 0 if that cannot be told.
[[nodiscard]] uint64_t pid_namespace_of(pid_t host_pid);

// Whether a process is the first one of a pid namespace within the caller's, and has begun after the caller.
[[nodiscard]] bool is_new_namespace_init(pid_t host_pid);

// Opens a directory as the process sees it, following links within its root only.
Result<UniqueFd> open_directory_in(pid_t host_pid, const std::string& path);

// The environment variables that spoord is to tell of each program.
[[nodiscard]] std::vector<std::string> task_keys_of(const Job& job);

// Asks spoord to trace the container as the job wants it.
Status begin_arm_for(broker::Client& client, const Job& job, int cgroup, int pidfd);

// What a session's file says of the container itself.
[[nodiscard]] Session facts_of(const Job& job);

// How the tasks of a container are to be kept: its mode, and how its processes and its workspaces are
// reached. `init_pid`: its first process.
[[nodiscard]] TaskOptions task_options_of(const Job& job, pid_t init_pid);
[[nodiscard]] TrailOptions trail_options_of(const Job& job, pid_t init_pid);

}  // namespace spoor
