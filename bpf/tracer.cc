#include "bpf/tracer.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>

#include <condition_variable>
#include <csignal>
#include <cstdarg>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/kernel_floor.h"
#include "bpf/state.h"
#include "spoor.skel.h"

namespace spoor::bpf {
namespace {

Tracer::Log& log_handler() {
    static Tracer::Log handler;
    return handler;
}

int print_to_log(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG || !log_handler()) return 0;
    // The verifier's log of a refused program ends with the reason, after up to megabytes of how it got
    // there.
    constexpr size_t bytes_max = 6000;
    va_list again;
    va_copy(again, arguments);
    int length = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length < 0) return 0;
    std::string text(static_cast<size_t>(length) + 1, '\0');
    std::vsnprintf(text.data(), text.size(), format, arguments);
    text.pop_back();
    if (text.size() > bytes_max) text = "[…] " + text.substr(text.size() - bytes_max);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    log_handler()(text);
    return 0;
}

// Deletes the entries for which `doomed(key, value)` holds; the map may change meanwhile.
template <class Key, class Value, class Doomed>
void delete_entries(int map, Doomed doomed) {
    std::vector<Key> keys;
    Key key{};
    const Key* previous = nullptr;
    while (bpf_map_get_next_key(map, previous, &key) == 0) {
        Value value{};
        if (bpf_map_lookup_elem(map, &key, &value) == 0 && doomed(key, value)) keys.push_back(key);
        previous = &key;
    }
    for (const Key& dead : keys) bpf_map_delete_elem(map, &dead);
}

// The parameters of a tracepoint in the running kernel, the leading data pointer included; 0 if the
// kernel does not have it.
unsigned tracepoint_parameters(const btf* types, const std::string& name) {
    int id = btf__find_by_name_kind(types, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
    if (id < 0) return 0;
    const btf_type* type = btf__type_by_id(types, btf__type_by_id(types, static_cast<unsigned>(id))->type);
    if (!btf_is_ptr(type)) return 0;
    const btf_type* prototype = btf__type_by_id(types, type->type);
    return btf_is_func_proto(prototype) ? btf_vlen(prototype) : 0;
}

// io_uring's tracepoints have changed between kernels: without the one at submission, or with a
// completion that does not tell the request, the programs for it stay out.
void fit_io_uring(spoor_bpf* skeleton) {
    std::unique_ptr<btf, void (*)(btf*)> types(btf__load_vmlinux_btf(), btf__free);
    if (!types) return;
    // Before 6.4 the submission's name is io_uring_submit_sqe; what it tells first is the request from 6.0
    // on, where it has two parameters (and the data pointer).
    bool submit = tracepoint_parameters(types.get(), "io_uring_submit_req") > 0;
    if (!submit && tracepoint_parameters(types.get(), "io_uring_submit_sqe") == 3)
        submit =
            bpf_program__set_attach_target(skeleton->progs.on_uring_submit, 0, "io_uring_submit_sqe") == 0;
    unsigned complete = tracepoint_parameters(types.get(), "io_uring_complete");
    bool usable =
        submit && complete >= 4 && btf__find_by_name_kind(types.get(), "io_open", BTF_KIND_STRUCT) > 0;
    skeleton->rodata->uring_complete_has_cqe = complete == 4;
    bpf_program__set_autoload(skeleton->progs.on_uring_submit, usable);
    bpf_program__set_autoload(skeleton->progs.on_uring_complete, usable);
}

// The words that the programs compare with.
spoor_task_key packed_key(const std::string& name) {
    static_assert(task_key_bytes_max + 1 == sizeof spoor_task_key::text);
    const std::string text = name + "=";
    spoor_task_key key{};
    std::memcpy(key.text, text.data(), text.size());
    std::memset(key.mask, 0xff, text.size());
    return key;
}

struct SkeletonCloser {
    void operator()(spoor_bpf* skeleton) const { spoor_bpf__destroy(skeleton); }
};
using SkeletonOwner = std::unique_ptr<spoor_bpf, SkeletonCloser>;

// The skeleton, sized for `limits` and fitted to the running kernel; not loaded.
Result<SkeletonOwner> open_fitted(const TracerLimits& limits, Tracer::Log log) {
    log_handler() = std::move(log);
    libbpf_set_print(print_to_log);
    SPOOR_TRY(check_kernel_floor());
    SkeletonOwner owner(spoor_bpf__open());
    if (!owner) return errno_error("open the BPF object");
    spoor_bpf* skeleton = owner.get();

    uint64_t seeds[2];
    if (::getrandom(seeds, sizeof seeds, 0) != static_cast<ssize_t>(sizeof seeds))
        return errno_error("getrandom");
    skeleton->rodata->hash_seed_a = seeds[0];
    skeleton->rodata->hash_seed_b = seeds[1];
    bpf_map__set_max_entries(skeleton->maps.processes, limits.processes);
    bpf_map__set_max_entries(skeleton->maps.seen, limits.seen);
    bpf_map__set_max_entries(skeleton->maps.open_files, limits.open_files);
    int processors = libbpf_num_possible_cpus();
    if (processors < 1) return errno_error("count the processors", -processors);
    bpf_map__set_max_entries(skeleton->maps.scratches, bpf_map__max_entries(skeleton->maps.scratches) *
                                                           static_cast<uint32_t>(processors));
    fit_io_uring(skeleton);
    return owner;
}

Status load_skeleton(spoor_bpf* skeleton) {
    if (int error = spoor_bpf__load(skeleton); error != 0) {
        Error failure = errno_error("load the BPF programs", -error);
        if (error == -EPERM) failure.message += " (needs CAP_BPF and CAP_PERFMON)";
        return failure;
    }
    return {};
}

// From the line that the kernel ends its log with: "processed N insns (limit …) … total_states N …".
std::optional<VerifierCost> cost_in(const char* program, const char* log) {
    const char* processed = std::strstr(log, "processed ");
    const char* states = std::strstr(log, "total_states ");
    if (!processed || !states) return std::nullopt;
    VerifierCost cost;
    cost.program = program;
    cost.instructions = std::strtoull(processed + std::strlen("processed "), nullptr, 10);
    cost.states = std::strtoull(states + std::strlen("total_states "), nullptr, 10);
    return cost;
}

constexpr uint64_t bit(spoor_op op) { return uint64_t{1} << op; }

}  // namespace

struct Tracer::State {
    spoor_bpf* skeleton = nullptr;
    TracerLimits limits;
    uint64_t renewals = 0;

    // Guards all below. Never held across a grace period but for the detaching one.
    std::mutex mutex;
    std::condition_variable work;
    bool ending = false;
    bool attached = false;
    size_t sessions = 0;
    uint64_t next_session = 1;
    std::vector<Armed> spares;      // their rings are in the programs' map already
    std::vector<uint64_t> retired;  // sessions whose rings are to be taken out of it
    std::thread worker;

    ~State() {
        if (worker.joinable()) {
            {
                std::lock_guard lock(mutex);
                ending = true;
            }
            work.notify_one();
            worker.join();
        }
        if (skeleton) spoor_bpf__destroy(skeleton);
    }

    [[nodiscard]] int scopes() const { return bpf_map__fd(skeleton->maps.scopes); }
    [[nodiscard]] int session_map() const { return bpf_map__fd(skeleton->maps.sessions); }
    [[nodiscard]] int processes() const { return bpf_map__fd(skeleton->maps.processes); }
    [[nodiscard]] int task_keys() const { return bpf_map__fd(skeleton->maps.task_keys); }
    [[nodiscard]] int rings() const { return bpf_map__fd(skeleton->maps.rings); }

    // The outer map's update waits until no program still uses the ring that was there before.
    [[nodiscard]] Result<UniqueFd> put_ring(uint64_t session, uint32_t ring_bytes) const {
        UniqueFd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "spoor_ring", 0, 0, ring_bytes, nullptr));
        if (!ring) return errno_error("create a ring of " + std::to_string(ring_bytes) + " bytes");
        int fd = ring.get();
        if (bpf_map_update_elem(rings(), &session, &fd, BPF_ANY) != 0)
            return errno_error("put the ring into its map");
        return ring;
    }

    Result<Armed> take_ring(uint32_t ring_bytes) {
        Armed armed;
        {
            std::lock_guard lock(mutex);
            if (ring_bytes == limits.ring_bytes && !spares.empty()) {
                armed = std::move(spares.back());
                spares.pop_back();
                work.notify_one();
                return armed;
            }
            armed.session = next_session++;
        }
        auto ring = put_ring(armed.session, ring_bytes);
        if (!ring) return std::move(ring).error();
        armed.ring = std::move(*ring);
        return armed;
    }

    Status attach() {
        std::lock_guard lock(mutex);
        if (!attached) {
            if (int error = spoor_bpf__attach(skeleton); error != 0) {
                spoor_bpf__detach(skeleton);
                return errno_error("attach the BPF programs", -error);
            }
            attached = true;
        }
        ++sessions;
        return {};
    }

    // Nothing new is recorded for the session; what is under way may still come.
    void forget(uint64_t session) const {
        delete_entries<spoor_scope_key, uint64_t>(
            scopes(), [&](const spoor_scope_key&, uint64_t owner) { return owner == session; });
        delete_entries<uint32_t, spoor_process>(
            processes(), [&](uint32_t, const spoor_process& process) { return process.session == session; });
    }

    void retire(uint64_t session) {
        bpf_map_delete_elem(session_map(), &session);
        bpf_map_delete_elem(task_keys(), &session);
        std::lock_guard lock(mutex);
        retired.push_back(session);
        work.notify_one();
    }

    void run_worker() {
        std::unique_lock lock(mutex);
        for (;;) {
            work.wait(lock, [this] {
                return ending || !retired.empty() || spares.size() < limits.spare_rings ||
                       (attached && sessions == 0);
            });
            if (ending) return;
            if (attached && sessions == 0) {
                spoor_bpf__detach(skeleton);
                attached = false;
            }
            if (!retired.empty()) {
                std::vector<uint64_t> dead = std::exchange(retired, {});
                lock.unlock();
                for (uint64_t session : dead) bpf_map_delete_elem(rings(), &session);
                lock.lock();
            }
            if (spares.size() < limits.spare_rings) {
                Armed spare;
                spare.session = next_session++;
                lock.unlock();
                auto ring = put_ring(spare.session, limits.ring_bytes);
                lock.lock();
                if (!ring) {
                    // Out of memory, say: arm() will meet the same and can tell its caller.
                    work.wait_for(lock, std::chrono::seconds(1), [this] { return ending; });
                    continue;
                }
                spare.ring = std::move(*ring);
                spares.push_back(std::move(spare));
            }
        }
    }
};

Tracer::Tracer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tracer::~Tracer() = default;

Result<std::unique_ptr<Tracer>> Tracer::load(const TracerLimits& limits, Log log) {
    auto skeleton = open_fitted(limits, std::move(log));
    if (!skeleton) return std::move(skeleton).error();
    SPOOR_TRY(load_skeleton(skeleton->get()));
    auto state = std::make_unique<State>();
    state->limits = limits;
    state->skeleton = skeleton->release();
    // Signals are for the caller's thread.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    state->worker = std::thread([raw = state.get()] { raw->run_worker(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return std::unique_ptr<Tracer>(new Tracer(std::move(state)));
}

Result<std::vector<VerifierCost>> Tracer::check(const TracerLimits& limits, Log log) {
    // The log's level 4 is its statistics alone, which take less than this.
    constexpr uint32_t statistics = 4;
    constexpr size_t log_bytes = 16384;
    auto owner = open_fitted(limits, std::move(log));
    if (!owner) return std::move(owner).error();
    bpf_object* object = (*owner)->obj;
    std::vector<std::pair<bpf_program*, std::vector<char>>> logs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        if (!bpf_program__autoload(program)) continue;
        auto& [entered, text] = logs.emplace_back(program, std::vector<char>(log_bytes));
        bpf_program__set_log_level(entered, statistics);
        bpf_program__set_log_buf(entered, text.data(), text.size());
    }
    if (Status loaded = load_skeleton(owner->get()); !loaded) {
        // The verifier's words are in the log of an ordinary load.
        auto again = open_fitted(limits, log_handler());
        if (!again) return std::move(again).error();
        SPOOR_TRY(load_skeleton(again->get()));
        return std::move(loaded).error();
    }
    std::vector<VerifierCost> costs;
    for (auto& [loaded, text] : logs) {
        auto cost = cost_in(bpf_program__name(loaded), text.data());
        if (!cost) return errno_error(std::string("no statistics for ") + bpf_program__name(loaded), ENODATA);
        costs.push_back(std::move(*cost));
    }
    return costs;
}

Result<Tracer::Armed> Tracer::arm(const ScopeRoot& root, uint32_t init_tgid, uint32_t ring_bytes,
                                  const std::vector<std::string>& task_keys) {
    spoor_task_keys keys{};
    static_assert(task_keys_max == std::size(decltype(keys.keys){}));
    if (task_keys.size() > task_keys_max) return errno_error("more task keys than fit", EINVAL);
    for (size_t i = 0; i < task_keys.size(); ++i) {
        if (task_keys[i].empty() || task_keys[i].size() > task_key_bytes_max)
            return errno_error("a task key of " + std::to_string(task_keys[i].size()) + " bytes", EINVAL);
        keys.keys[i] = packed_key(task_keys[i]);
    }
    auto armed = state_->take_ring(ring_bytes);
    if (!armed) return armed;
    uint64_t session = armed->session;
    spoor_session entry{};
    entry.root_cgroup_id = root.cgroup_id;
    entry.root_hierarchy = root.hierarchy;
    entry.init_tgid = init_tgid;
    spoor_scope_key key{root.cgroup_id, root.hierarchy, 0};
    Status entered;
    if (bpf_map_update_elem(state_->session_map(), &session, &entry, BPF_NOEXIST) != 0)
        entered = errno_error("enter the session");
    else if (!task_keys.empty() && bpf_map_update_elem(state_->task_keys(), &session, &keys, BPF_ANY) != 0)
        entered = errno_error("enter the task keys");
    // The scope comes after its session: from here on programs act on it.
    else if (bpf_map_update_elem(state_->scopes(), &key, &session, BPF_NOEXIST) != 0)
        entered = errno_error("enter the cgroup");
    else if (entered = state_->attach(); !entered)
        bpf_map_delete_elem(state_->scopes(), &key);
    if (!entered) {
        state_->retire(session);
        return std::move(entered).error();
    }
    return armed;
}

Result<UniqueFd> Tracer::grow(uint64_t session, uint32_t ring_bytes) {
    return state_->put_ring(session, ring_bytes);
}

Result<spoor_counters> Tracer::counters(uint64_t session) {
    spoor_session entry{};
    if (bpf_map_lookup_elem(state_->session_map(), &session, &entry) != 0)
        return errno_error("read the counters");
    return entry.counters;
}

Status Tracer::renew(uint64_t session, uint32_t tgid, uint64_t start_ns) {
    spoor_process process{};
    if (bpf_map_lookup_elem(state_->processes(), &tgid, &process) != 0 || process.session != session ||
        process.start_ns != start_ns)
        return errno_error("renew process " + std::to_string(tgid), ESRCH);
    process.instance = ++state_->renewals * 0x9e3779b97f4a7c15u ^ process.instance;
    if (bpf_map_update_elem(state_->processes(), &tgid, &process, BPF_EXIST) != 0)
        return errno_error("renew process " + std::to_string(tgid), errno == ENOENT ? ESRCH : errno);
    return {};
}

Result<spoor_counters> Tracer::disarm(uint64_t session) {
    spoor_session entry{};
    if (bpf_map_lookup_elem(state_->session_map(), &session, &entry) != 0)
        return errno_error("read the session");
    spoor_scope_key key{entry.root_cgroup_id, entry.root_hierarchy, 0};
    uint64_t owner = 0;
    // A cgroup can be removed only when no process is left in it, so nothing is under way either.
    bool running = bpf_map_lookup_elem(state_->scopes(), &key, &owner) == 0 && owner == session;
    state_->forget(session);
    if (running) bpf_map_delete_elem(state_->rings(), &session);  // waits
    auto last = counters(session);
    {
        std::lock_guard lock(state_->mutex);
        --state_->sessions;
    }
    state_->retire(session);
    return last;
}

uint64_t Tracer::exact_ops() {
    return bit(SPOOR_OP_READ) | bit(SPOOR_OP_WRITE) | bit(SPOOR_OP_CREATE) | bit(SPOOR_OP_LIST) |
           bit(SPOOR_OP_EXEC) | bit(SPOOR_OP_MMAP_EXEC) | bit(SPOOR_OP_MMAP_WRITE) | bit(SPOOR_OP_CONNECT) |
           bit(SPOOR_OP_BIND);
}

uint64_t Tracer::lexical_ops() {
    return bit(SPOOR_OP_TRUNCATE) | bit(SPOOR_OP_DELETE) | bit(SPOOR_OP_RENAME) | bit(SPOOR_OP_LINK) |
           bit(SPOOR_OP_SYMLINK) | bit(SPOOR_OP_MKDIR) | bit(SPOOR_OP_RMDIR) | bit(SPOOR_OP_MKNOD) |
           bit(SPOOR_OP_METADATA) | bit(SPOOR_OP_PROBE) | bit(SPOOR_OP_ABSENT) | bit(SPOOR_OP_READLINK);
}

}  // namespace spoor::bpf
