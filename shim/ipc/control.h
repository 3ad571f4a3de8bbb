// Between the hooks (spoor) and a container's recorder: one SOCK_SEQPACKET connection a request on
// the socket "control" in the container's state directory, one JSON request, one JSON answer.
//
//   {"op":"arm","pid":123}   createRuntime: trace the cgroup of this process. Answered when
//                            session.json is in the volume, whatever its state.
//   {"op":"finish"}          poststop: the container is gone. Answered when all reports are written.
//
//   {"ok":true}  |  {"ok":false,"error":"one line"}
//
// The socket directory is named by descriptor (/proc/self/fd/N/control): its path may be longer
// than a sun_path.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace spoor {

inline constexpr const char* control_socket_name = "control";

struct ControlRequest {
    enum class Op { arm, finish } op = Op::finish;
    int pid = 0;  // arm: the container's init, in the caller's pid namespace
};

std::string to_json(const ControlRequest& request);
Result<ControlRequest> parse_control_request(std::string_view json);
// The answer for an outcome, and back. Something that is no answer is EPROTO.
std::string control_answer(const Status& outcome);
Status parse_control_answer(std::string_view json);

// Binds and listens in `state_dir`. Mode 0600.
Result<UniqueFd> listen_control(const std::string& state_dir);
// Sends one request and waits for its answer, at most `deadline`. An answer that is not ok becomes
// an Error with its text; no recorder is ECONNREFUSED or ENOENT; no answer in time is ETIMEDOUT.
Status call_control(const std::string& state_dir, const ControlRequest& request,
                    std::chrono::milliseconds deadline);

}  // namespace spoor
