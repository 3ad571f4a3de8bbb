// The embedded default: a user with the capabilities and no spoord service gets a private spoord,
// shared by all containers of one state root, which ends with the last of them.
#pragma once

#include <string>

#include "base/result.h"
#include "shim/ipc/broker_client.h"
#include "shim/ipc/job.h"

namespace spoor::broker {

// The directory that holds the containers' state directories and private spoord's files
// (spoord.sock, spoord.lock, spoord.log): the parent of the parent of job.state_dir.
[[nodiscard]] std::string state_root_of(const Job& job);

// The spoord that serves `job`: the system's, else the private one, which is started if it does not
// run yet. Starting one takes job.broker_program and CAP_BPF and CAP_PERFMON in the initial user
// namespace; without them the error says what is missing.
Result<Client> connect_or_start_private(const Job& job, Deadline deadline);

}  // namespace spoor::broker
