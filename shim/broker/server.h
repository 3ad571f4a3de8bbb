// spoord's event loop: accepts peers, serves their requests one at a time, takes new rules on SIGHUP,
// ends on SIGTERM or SIGINT, or, when private, as soon as the last peer has gone.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/tracer.h"
#include "shim/broker/connection.h"

namespace spoor::broker {

struct ServerOptions {
    Quota quota;
    size_t connections_max = 4096;
    // End with the last connection (at least one was there), and remove `socket_path`.
    bool end_with_last = false;
    std::string socket_path;
    // Sessions outlive this process (bpf/tracer.h): however it ends, it leaves them to its successor.
    bool leave_sessions = false;
    std::chrono::milliseconds resume_grace{60'000};  // so long adopted sessions wait for their recorders
    // The rules as they are now, on SIGHUP. An error leaves the old ones in force.
    std::function<Result<std::vector<TenantRule>>()> reload;
};

// Binds and listens at `path`, replacing a socket nobody listens on. Anybody may connect: what a
// peer gets is decided by who it is.
Result<UniqueFd> listen_at(const std::string& path);

// Serves until it is told to end. `gatekeepers`: of start_gatekeepers().
Status serve(UniqueFd listener, UniqueFd gatekeepers, bpf::Tracer& tracer, Desk& desk,
             const ServerOptions& options);

}  // namespace spoor::broker
