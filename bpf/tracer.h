// Owner of the BPF programs, their maps and links. Loaded once; attached while a session exists and a little
// longer.
//
// Taking a ring out of the programs' reach, or putting one there, waits for a grace period of the
// kernel (some 15 ms). No caller should: a thread of the Tracer's own keeps spare rings in place,
// retires old ones and detaches the programs.
//
// With a directory for pins (bpf/pins.h) sessions outlive their Tracer, whether it is destroyed or its
// process is killed, at any moment: maps, attached programs and rings stay, and the next Tracer on that
// directory adopts them. Without one they end with it.
//
// Threads: the public functions are for one thread (spoord has one).
// libbpf stays out of this header (and its messages go to the log handler given to load()).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bpf/abi.h"
#include "bpf/hooks.h"
#include "bpf/pins.h"

namespace spoor::bpf {

inline constexpr size_t task_keys_max = 8;
inline constexpr size_t task_key_bytes_max = 47;

struct TracerLimits {
    // Recorded at once, all sessions together. 0: as many as the machine can have, 32768 to 262144.
    uint32_t processes = 0;
    uint32_t spare_rings = 4;          // held ready, each with a dedupe table, for each size of tables
    uint32_t ring_bytes = 512 * 1024;  // size of a spare ring
    // How long programs stay attached after the last session: attaching them anew takes longer than all
    // else that arms a cgroup.
    std::chrono::milliseconds linger{5000};
    std::optional<HookFamily> family;  // none: the best that the kernel takes
};

// What a session takes of the kernel's memory.
struct SessionSizes {
    uint32_t ring_bytes = 512 * 1024;  // a power of two and a multiple of the page size
    uint32_t seen_entries = 32768;     // of its dedupe table, 20 bytes each: a power of two, at least 8
    bool operator==(const SessionSizes&) const = default;
};

struct ScopeRoot {
    uint64_t cgroup_id = 0;  // st_ino of the cgroup's directory
    uint32_t hierarchy = 0;  // 0: cgroup v2; else the number in /proc/cgroups
    // Of the cgroups that it is beneath, the root of the hierarchy not among them.
    std::vector<uint64_t> above;
};

// Whose session it is: kept beside it, for a Tracer that adopts it.
struct SessionOwner {
    uint32_t uid = 0;
    uint32_t gid = 0;
    std::array<uint64_t, 2> token{};  // secret of the recorder
    std::string container_id;
    std::string cgroup;  // its path
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
    // one line that says what the kernel refused. `pins`: from here on this Tracer's; what is there is
    // adopted, or, if it is no complete set, removed.
    static Result<std::unique_ptr<Tracer>> load(const TracerLimits& limits, Log log,
                                                std::optional<Pins> pins = std::nullopt);
    // Loads the programs as load() does, tells what that took, and unloads them. Those that do not fit
    // this kernel and are left out are not among them.
    static Result<std::vector<VerifierCost>> check(const TracerLimits& limits, Log log);
    // From here on spares are held ready with dedupe tables of these sizes; at first with those of
    // SessionSizes alone.
    void keep_ready(std::set<uint32_t> seen_entries);
    // Starts the Tracer's own thread, before the first arm(). Apart from load(), so that the thread has
    // no more capabilities than are left after it: making maps and links takes CAP_BPF alone.
    void start();
    ~Tracer();

    // Sessions outlive this object: there are pins.
    [[nodiscard]] bool outlived() const;

    struct Adopted {
        uint64_t session = 0;
        SessionOwner owner;
        uint64_t cgroup_id = 0;
        SessionSizes sizes;
        uint32_t window_bytes = 0;  // 0: none, or not known, of another version
        uint32_t abi_version = 0;   // of its records
    };
    // The sessions that were there at load(), those of other versions too: what is not asked of the programs
    // (arm, renew) can be asked for these as well.
    [[nodiscard]] const std::vector<Adopted>& adopted() const;
    // An adopted session's ring, for a recorder that was not told that it grew.
    Result<UniqueFd> adopted_ring(const Adopted& session);

    struct Init {
        uint32_t pid = 0;  // in this process's pid namespace
        uint32_t pid_namespace =
            0;  // inode: whose numbers records, renew() and assign() have; 0: this process's
    };
    struct Armed {
        uint64_t session = 0;  // never given twice
        UniqueFd ring;
    };
    // Starts a session: its records go to the returned ring from the first execve of `init` on. Quick with a
    // ring of limits.ring_bytes and a table of a size that is kept ready.
    // EEXIST: the cgroup has a session already, also one of another version, or is beneath that of another
    // uid or an inner one. Beneath one of the same uid (or for root) it gets an inner session: what is
    // recorded there is told to both, and when the inner one is stopped, to the outer one alone again.
    // `task_keys`: names of environment variables whose values every exec tells; at most
    // task_keys_max, each at most task_key_bytes_max long.
    Result<Armed> arm(const ScopeRoot& root, const Init& init, const SessionSizes& sizes,
                      const std::vector<std::string>& task_keys = {}, const SessionOwner& owner = {});
    // Gives the session a larger ring. When this returns, nothing is written to the old one any more.
    Result<UniqueFd> grow(uint64_t session, uint32_t ring_bytes);
    // What the kernel side has counted so far.
    Result<spoor_counters> counters(uint64_t session);
    // Forgets what a process of the session has been reported for, so that it is told again: the
    // process works for another task from now on. ESRCH: the session has no such process. ENOTSUP: it is of
    // another version.
    Status renew(uint64_t session, uint32_t pid, uint64_t start_ns);
    // Gives the session a window, SPOOR_WINDOW_BYTES of zeros that whoever has the descriptor may mmap(2) for
    // writing: what is refused to which processes (base/path_table.h), if coverage().refuses. Waits for a
    // grace period. Another one replaces it.
    Result<UniqueFd> open_window(uint64_t session);
    // From now on the process, and what it forks, is refused what the slot of the session's window says that
    // `refusal` names (as in spoor_process). 0: nothing. ESRCH: the session has no such process.
    Status assign(uint64_t session, uint32_t pid, uint64_t start_ns, uint32_t refusal);

    // Stops recording. When this returns, the session's ring is final; the counters are, too. Quick when the
    // cgroup has been removed (its END record is in the ring), a grace period otherwise. Can be asked
    // again, also after an adoption, until release().
    Result<spoor_counters> stop(uint64_t session);
    // Forgets a session that was stopped.
    void release(uint64_t session);

    // Programs attached to the kernel now. May be called from any thread.
    [[nodiscard]] size_t programs_attached() const;

    // Of the programs that are attached, or will be for the next session.
    [[nodiscard]] Coverage coverage() const;

private:
    struct State;
    explicit Tracer(std::unique_ptr<State> state);
    static Status load_into(State& state, bool adopting);
    std::unique_ptr<State> state_;
};

}  // namespace spoor::bpf
