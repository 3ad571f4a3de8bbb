// The asking side of spoord's protocol (broker_protocol.h), for the recorder.
//
// Every call blocks, at most until its deadline. An answer that breaks the protocol, a timeout or a
// lost connection closes the client (connected() is false from then on); a refusal does not.
// Threads: one at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "shim/ipc/broker_protocol.h"

namespace spoor::broker {

using Deadline = std::chrono::steady_clock::time_point;

// What spoord can trace here.
struct Coverage {
    Family family = Family::none;
    uint64_t exact_ops = 0;
    uint64_t lexical_ops = 0;
};
// As session.json names it: "syscall-exit", "fentry", "lsm", "none".
[[nodiscard]] std::string name_of(Family family);

struct GrantedRing {
    UniqueFd fd;
    uint32_t bytes = 0;
};

// Connects without a word. ENOENT or ECONNREFUSED: nobody listens at `path`, which may be longer
// than a sun_path.
Result<UniqueFd> connect_socket(const std::string& path, Deadline deadline);

// What a session can be resumed with; all zero: it cannot be.
using Token = std::array<uint64_t, 2>;

// A running session, as spoord lists it.
struct RunningSession {
    uint64_t cgroup_id = 0;
    uint32_t uid = 0;
    std::string container_id;
    uint32_t ring_bytes = 0;
    spoor_counters counters{};
};

class Client {
public:
    // Says hello on a connected socket and takes it over. ECONNRESET: spoord ended just then.
    static Result<Client> greet(UniqueFd socket, Deadline deadline);
    // connect_socket and greet.
    static Result<Client> connect(const std::string& path, Deadline deadline);

    // Connects and asks for the session of `token`, without waiting: what answers may have to start first.
    // ENOENT, ECONNREFUSED or ETIMEDOUT: nobody can be asked just now.
    static Result<Client> begin_resume(const std::string& path, const Token& token);
    // The answer, once fd() is readable: the ring that the session writes to by now, which may be one that
    // an earlier spoord could not tell of. ECONNRESET: that spoord is gone as well; others are final.
    Result<GrantedRing> finish_resume();

    [[nodiscard]] const Coverage& coverage() const { return coverage_; }
    // For epoll: readable or hung up without a request under way means that spoord has gone.
    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool connected() const { return socket_.valid(); }
    // Ends the session that the connection holds, if any.
    void close() { socket_.reset(); }

    // Asks for tracing of the cgroup whose directory is `cgroup`, and does not wait; both descriptors stay
    // the caller's. `task_keys`: names of environment variables that every exec is to tell (bpf/tracer.h's
    // limits). `modes`: the protocol's modes_word().
    Status begin_arm(const std::string& container_id, int cgroup, int pidfd, uint32_t ring_bytes,
                     const std::vector<std::string>& task_keys, uint32_t modes);
    // The answer, which makes fd() readable. Nothing else is asked for before that. EPERM: the operator does
    // not let the caller run in these modes.
    Result<GrantedRing> finish_arm(Deadline deadline);
    // The process has a new task: what it does is told again. ESRCH: it has ended.
    Status renew(uint32_t host_pid, uint64_t start_ns, Deadline deadline);
    // The session's window, to be mapped. EDQUOT: the tenant's bytes are used up. Another error: accesses are
    // not refused in place here.
    Result<UniqueFd> window(Deadline deadline);
    // The process, and what it forks, is refused what `refusal` names. ESRCH: it has ended.
    Status assign(uint32_t host_pid, uint64_t start_ns, uint32_t refusal, Deadline deadline);
    Result<spoor_counters> stats(Deadline deadline);
    // A larger ring; nothing is written to the old one any more. EDQUOT: it may not grow so far.
    Result<GrantedRing> grow(uint32_t ring_bytes, Deadline deadline);
    // Ends the session: its ring and the returned counters are final.
    Result<spoor_counters> disarm(Deadline deadline);
    // The caller's running sessions, by cgroup id; root's: everybody's.
    Result<std::vector<RunningSession>> sessions(Deadline deadline);
    // After arm.
    [[nodiscard]] const Token& token() const { return token_; }

private:
    struct Reply {
        ReplyMessage message;
        UniqueFd fd;
    };
    explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}

    Result<Reply> call(RequestMessage message, const int (&fds)[2], Deadline deadline);
    Result<Reply> call(Request request, uint32_t ring_bytes, Deadline deadline);
    Status send(const RequestMessage& request, const int (&fds)[2]);
    Result<Reply> await(Request request, Deadline deadline);
    Result<Reply> receive(Request request);
    Result<GrantedRing> take_ring(Result<Reply> reply, const char* what);

    UniqueFd socket_;
    Coverage coverage_;
    Token token_{};
};

}  // namespace spoor::broker
