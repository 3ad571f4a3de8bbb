// Owner of the BPF programs, their maps and links. Loaded once; attached while a session exists.
//
// Taking a ring out of the programs' reach, or putting one there, waits for a grace period of the
// kernel (some 15 ms). No caller should: a thread of the Tracer's own keeps spare rings in place,
// retires old ones and detaches the programs.
//
// Threads: the public functions are for one thread (spoord has one).
// libbpf stays out of this header (and its messages go to the log handler given to load()).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/abi.h"

namespace spoor::bpf {

inline constexpr size_t task_keys_max = 8;
inline constexpr size_t task_key_bytes_max = 47;

struct TracerLimits {
    uint32_t processes = 32768;  // recorded at once, all sessions together
    uint32_t seen = 65536;       // entries of the kernel's dedupe table
    uint32_t open_files = 32768;
    uint32_t spare_rings = 4;          // held ready
    uint32_t ring_bytes = 512 * 1024;  // size of a spare ring
};

struct ScopeRoot {
    uint64_t cgroup_id = 0;  // st_ino of the cgroup's directory
    uint32_t hierarchy = 0;  // 0: cgroup v2; else the number in /proc/cgroups
};

// What the verifier did to accept a program: the instructions it walked through, of which a million are the
// kernel's limit, and the states it kept.
struct VerifierCost {
    std::string program;
    uint64_t instructions = 0;
    uint64_t states = 0;
};

class Tracer {
public:
    using Log = std::function<void(const std::string& line)>;

    // Opens, verifies and loads; attaches nothing. Needs CAP_BPF and CAP_PERFMON. The error text is
    // one line that says what the kernel refused.
    static Result<std::unique_ptr<Tracer>> load(const TracerLimits& limits, Log log);
    // Loads the programs as load() does, tells what that took, and unloads them. Those that do not fit
    // this kernel and are left out are not among them.
    static Result<std::vector<VerifierCost>> check(const TracerLimits& limits, Log log);
    ~Tracer();

    struct Armed {
        uint64_t session = 0;  // never given twice
        UniqueFd ring;
    };
    // Starts a session: its records go to the returned ring from the first execve of `init_tgid`
    // (a number in this process's pid namespace, which must be the host's) on. `ring_bytes` is a
    // power of two and a multiple of the page size; limits.ring_bytes is the quick one.
    // EEXIST: the cgroup is in a session already.
    // `task_keys`: names of environment variables whose values every exec tells; at most
    // task_keys_max, each at most task_key_bytes_max long.
    Result<Armed> arm(const ScopeRoot& root, uint32_t init_tgid, uint32_t ring_bytes,
                      const std::vector<std::string>& task_keys = {});
    // Gives the session a larger ring. When this returns, nothing is written to the old one any more.
    Result<UniqueFd> grow(uint64_t session, uint32_t ring_bytes);
    // What the kernel side has counted so far.
    Result<spoor_counters> counters(uint64_t session);
    // Forgets what a process of the session has been reported for, so that it is told again: the
    // process works for another task from now on. ESRCH: the session has no such process.
    Status renew(uint64_t session, uint32_t tgid, uint64_t start_ns);
    // Ends a session. When this returns, its ring is final; the counters are, too. Quick when the
    // cgroup has been removed (its END record is in the ring), a grace period otherwise.
    Result<spoor_counters> disarm(uint64_t session);

    // Bit n: enum spoor_op n is reported with the object the kernel resolved / as the caller wrote it.
    [[nodiscard]] static uint64_t exact_ops();
    [[nodiscard]] static uint64_t lexical_ops();

private:
    struct State;
    explicit Tracer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace spoor::bpf
