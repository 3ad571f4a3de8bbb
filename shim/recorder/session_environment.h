// The outside world as a recorder meets it; the defaults are the real one, tests bring their own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "oci/cgroup.h"
#include "shim/ipc/broker_client.h"
#include "shim/ipc/job.h"
#include "shim/recorder/traced_session.h"

namespace spoor {

struct SessionEnvironment {
    SessionEnvironment();

    std::function<Result<broker::Client>(const Job&, broker::Deadline)> connect_broker;
    std::function<Result<ContainerCgroup>(pid_t)> find_cgroup;
    RingOpener open_ring;
    // Where the runtime makes cgroups of version 2, empty if it does not; and whether a process in one is a
    // container's first one.
    std::string cgroups;
    std::function<bool(pid_t)> is_container_init;
    // How often a loop that cannot be told looks whether the container's cgroup is gone.
    std::chrono::milliseconds cgroup_check_interval{1000};
    // How long a spoord that is gone is waited for: one that is restarted is back in a second, one that is
    // upgraded may take longer. And when the session's end is waited for by the poststop hook, which does so
    // for ten seconds.
    std::chrono::milliseconds absence_limit{30'000};
    std::chrono::milliseconds settle_limit{8000};
};

}  // namespace spoor
