#include "bpf/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <thread>

#include "bpf/adoption.h"
#include "bpf/inner_maps.h"
#include "bpf/left_out.h"
#include "bpf/object.h"
#include "bpf/object_pins.h"
#include "bpf/other_versions.h"
#include "bpf/packing.h"
#include "bpf/process_entry.h"
#include "bpf/state.h"
#include "bpf/under_way.h"
#include "spoor.skel.h"

namespace spoor::bpf {

struct Tracer::State {
    using Clock = std::chrono::steady_clock;

    spoor_bpf* skeleton = nullptr;
    TracerLimits limits;
    uint64_t renewals = 0;  // begins at random: a number is not to come again after an adoption
    OtherVersions others;
    std::vector<Adopted> adopted;
    std::map<uint64_t, uint32_t> ring_sizes;  // of each session
    LeftOut left_out;

    // Guards all below. Never held across a grace period but for the detaching one.
    // Pins of maps and links are there exactly while `attached`, unless that is impossible to do.
    std::mutex mutex;
    std::condition_variable work;
    bool ending = false;
    bool attached = false;
    std::optional<Pins> pins;
    std::optional<PinnedLinks> adopted_links;  // attached programs of an earlier spoord
    size_t sessions = 0;
    Clock::time_point idle_since = Clock::now();  // if `attached` and without a session
    uint64_t next_session = 1;
    struct Spare {
        Armed armed;
        uint32_t seen_entries = 0;
    };
    std::vector<Spare> spares;  // ring and table are in the programs' maps already
    std::set<uint32_t> spare_tables{SessionSizes{}.seen_entries};  // sizes to have spares of
    std::vector<uint64_t> retired;  // sessions whose ring and table are to be taken out of the maps
    std::thread worker;

    // A set of pins that cannot be adopted.
    void abandon() {
        detach();
        adopted.clear();
        ring_sizes.clear();
        sessions = 0;
        spoor_bpf__destroy(std::exchange(skeleton, nullptr));
    }

    ~State() {
        if (worker.joinable()) {
            {
                std::lock_guard lock(mutex);
                ending = true;
            }
            work.notify_one();
            worker.join();
        }
        if (pins && sessions == 0) pins->clear();
        if (skeleton) spoor_bpf__destroy(skeleton);
    }

    [[nodiscard]] SessionMaps maps() const {
        const auto& all = skeleton->maps;
        return {bpf_map__fd(all.scopes),    bpf_map__fd(all.sessions), bpf_map__fd(all.processes),
                bpf_map__fd(all.task_keys), bpf_map__fd(all.owners),   bpf_map__fd(all.rings),
                bpf_map__fd(all.seen),      bpf_map__fd(all.windows)};
    }

    Status change(const ProcessName& which, const std::function<void(spoor_process&)>& how) {
        if (others.of(which.session)) return errno_error("a process of another version's session", ENOTSUP);
        return change_process(maps(), which, how);
    }

    // For sessions that have nothing in the maps yet. On an error nothing is left there.
    [[nodiscard]] Status furnish(std::vector<Spare>& fresh, uint32_t ring_bytes) const {
        std::vector<InnerMap> ring_fds, table_fds;
        std::vector<UniqueFd> tables;  // the map of maps keeps them
        std::vector<uint64_t> numbers;
        for (Spare& spare : fresh) {
            auto ring = make_ring(ring_bytes);
            if (!ring) return std::move(ring).error();
            auto table = make_seen_table(spare.seen_entries);
            if (!table) return std::move(table).error();
            spare.armed.ring = std::move(*ring);
            tables.push_back(std::move(*table));
            ring_fds.push_back({spare.armed.session, spare.armed.ring.get()});
            table_fds.push_back({spare.armed.session, tables.back().get()});
            numbers.push_back(spare.armed.session);
        }
        auto put = put_inner_maps(maps().rings, ring_fds);
        if (put) put = put_inner_maps(maps().seen, table_fds);
        if (!put) drop(numbers);
        return put;
    }

    void drop(const std::vector<uint64_t>& numbers) const {
        for (int map : {maps().rings, maps().seen, maps().windows}) drop_inner_maps(map, numbers);
        forget_under_way(skeleton, [&numbers](uint64_t session) {
            return std::ranges::find(numbers, session) != numbers.end();
        });
    }

    // A number with a ring and a table in the maps. A spare of the wrong ring is still a wait saved.
    Result<Armed> take(const SessionSizes& sizes) {
        std::vector<Spare> taken(1);
        bool found = false;
        {
            std::lock_guard lock(mutex);
            const auto spare = std::ranges::find(spares, sizes.seen_entries, &Spare::seen_entries);
            if (spare != spares.end()) {
                found = true;
                taken[0] = std::move(*spare);
                spares.erase(spare);
                work.notify_one();
            } else {
                taken[0].armed.session = next_session++;
                taken[0].seen_entries = sizes.seen_entries;
            }
        }
        if (!found) {
            SPOOR_TRY(furnish(taken, sizes.ring_bytes));
        } else if (sizes.ring_bytes != limits.ring_bytes) {
            auto ring = make_ring(sizes.ring_bytes);
            auto placed = ring ? put_inner_maps(maps().rings, {{taken[0].armed.session, ring->get()}})
                               : Status(ring.error());
            if (!placed) {
                retire(taken[0].armed.session);
                return std::move(placed).error();
            }
            taken[0].armed.ring = std::move(*ring);
        }
        return std::move(taken[0].armed);
    }

    // With programs attached and everything pinned that outlives us, `armed` is a session.
    Status begin(const Armed& armed, uint32_t bytes) {
        left_out.begin(armed.session, skeleton);
        std::lock_guard lock(mutex);
        if (!attached) {
            if (auto done = attach(); !done) {
                detach();
                return done;
            }
        }
        if (pins) SPOOR_TRY(pins->pin(name_of(RingPin{armed.session, bytes}), armed.ring.get()));
        ring_sizes[armed.session] = bytes;
        ++sessions;
        return {};
    }

    Status attach() {
        if (pins) {
            pins->clear();  // what a failed detach may have left
            SPOOR_TRY(pin_maps(skeleton->obj, *pins));
        }
        SPOOR_TRY(attach_object(skeleton));
        attached = true;
        if (!pins) return {};
        SPOOR_TRY(pin_links(skeleton->skeleton, *pins));
        return pins->mark_complete();
    }

    void detach() {
        let_go();
        while (skeleton && detach_one(skeleton)) {
        }
    }

    // The same, but a session can begin between two programs: taking one out of a function (fentry, LSM)
    // waits for all tasks to have left it, a tenth of a second and more. What that session finds detached it
    // attaches again.
    void detach_one_by_one(std::unique_lock<std::mutex>& lock) {
        let_go();
        // Waits, so that who is blocked on the mutex gets it: it is not a fair one.
        while (!attached && !ending && detach_one(skeleton))
            work.wait_for(lock, std::chrono::milliseconds(1), [this] { return attached || ending; });
    }

    // Nothing is attached for a successor any more.
    void let_go() {
        if (pins) pins->clear();
        adopted_links.reset();
        attached = false;
    }

    // What is pinned becomes this object's; before it is loaded.
    Status adopt_maps() {
        SPOOR_TRY(reuse_maps(skeleton->obj, *pins));
        auto links = pinned_links(*pins);
        if (!links) return std::move(links).error();
        adopted_links = std::move(*links);
        return {};
    }

    Status adopt_sessions() {
        auto inventory = take_inventory(maps(), *pins);
        if (!inventory) return std::move(inventory).error();
        next_session = inventory->next_session;
        adopted = std::move(inventory->sessions);
        for (const Adopted& session : adopted) ring_sizes[session.session] = session.sizes.ring_bytes;
        forget_under_way(skeleton, [this](uint64_t session) { return !ring_sizes.contains(session); });
        sessions = adopted.size();
        attached = true;
        idle_since = Clock::now();
        return {};
    }

    void retire(uint64_t session) {
        left_out.end(session);
        bpf_map_delete_elem(maps().sessions, &session);
        bpf_map_delete_elem(maps().task_keys, &session);
        bpf_map_delete_elem(maps().owners, &session);
        std::lock_guard lock(mutex);
        if (const auto ring = ring_sizes.extract(session); ring && pins)
            pins->unpin(name_of(RingPin{session, ring.mapped()}));
        retired.push_back(session);
        work.notify_one();
    }

    [[nodiscard]] Clock::time_point detach_at() const {
        return attached && sessions == 0 ? idle_since + limits.linger : Clock::time_point::max();
    }

    // Sessions to be, as many as are missing of each size.
    [[nodiscard]] std::vector<Spare> missing_spares() {
        std::vector<Spare> missing;
        for (uint32_t entries : spare_tables) {
            const auto there = std::ranges::count(spares, entries, &Spare::seen_entries);
            for (auto i = static_cast<size_t>(there); i < limits.spare_rings; ++i) {
                missing.emplace_back();
                missing.back().armed.session = next_session++;
                missing.back().seen_entries = entries;
            }
        }
        return missing;
    }

    void run_worker() {
        std::unique_lock lock(mutex);
        for (;;) {
            const auto due = detach_at();
            std::vector<Spare> missing;
            work.wait_until(lock, due, [this, due, &missing] {
                if (ending || !retired.empty() || detach_at() != due) return true;
                missing = missing_spares();
                return !missing.empty();
            });
            if (ending) return;
            if (Clock::now() >= detach_at()) detach_one_by_one(lock);
            if (!retired.empty()) {
                const std::vector<uint64_t> dead = std::exchange(retired, {});
                lock.unlock();
                drop(dead);
                lock.lock();
            }
            if (missing.empty()) continue;
            lock.unlock();
            const auto furnished = furnish(missing, limits.ring_bytes);
            lock.lock();
            if (!furnished) {
                // Out of memory, say: arm() will meet the same and can tell its caller.
                work.wait_for(lock, std::chrono::seconds(1), [this] { return ending; });
                continue;
            }
            std::ranges::move(missing, std::back_inserter(spares));
        }
    }
};

Tracer::Tracer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tracer::~Tracer() = default;

Result<std::unique_ptr<Tracer>> Tracer::load(const TracerLimits& limits, Log log, std::optional<Pins> pins) {
    send_messages_to(std::move(log));
    auto state = std::make_unique<State>();
    state->limits = limits;
    state->pins = std::move(pins);
    bool adopting = state->pins && state->pins->complete();
    if (state->pins && !adopting) state->pins->clear();
    Status loaded = load_into(*state, adopting);
    std::optional<Pins> refused;  // of no use to anybody, if all goes well without them
    if (!loaded && adopting) {
        send_message("the pinned sessions cannot be adopted: " + loaded.error().message);
        refused = std::exchange(state->pins, std::nullopt);
        state->abandon();
        if (!may_pass(loaded.error())) loaded = load_into(*state, false);
    }
    if (!loaded && !limits.family && state->skeleton && state->skeleton->rodata->resolves_names) {
        // The trial was not enough. Without resolved names is better than not at all.
        send_message("only with the syscall-exit family: " + loaded.error().message);
        state->abandon();
        state->limits.family = HookFamily::syscall_exit;
        loaded = load_into(*state, false);
    }
    if (!loaded && refused) return std::move(loaded).error().context("the pinned sessions wait");
    if (!loaded) return std::move(loaded).error();
    if (refused) refused->clear();
    if (refused) state->pins = std::move(refused);
    if (state->pins) state->others.adopt(*state->pins, state->adopted);
    return std::unique_ptr<Tracer>(new Tracer(std::move(state)));
}

Status Tracer::load_into(State& state, bool adopting) {
    auto object = open_object(state.limits);
    if (!object) return std::move(object).error();
    state.skeleton = object->release();
    if (::getrandom(&state.renewals, sizeof state.renewals, 0) != sizeof state.renewals)
        return errno_error("getrandom");
    if (adopting) SPOOR_TRY(state.adopt_maps());
    SPOOR_TRY(load_object(state.skeleton));
    if (adopting) SPOOR_TRY(state.adopt_sessions());
    return {};
}

void Tracer::keep_ready(std::set<uint32_t> seen_entries) {
    std::lock_guard lock(state_->mutex);
    state_->spare_tables = std::move(seen_entries);
    std::erase_if(state_->spares, [this](const State::Spare& spare) {
        if (state_->spare_tables.contains(spare.seen_entries)) return false;
        state_->retired.push_back(spare.armed.session);
        return true;
    });
    state_->work.notify_one();
}

void Tracer::start() {
    // Signals are for the caller's thread.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    state_->worker = std::thread([raw = state_.get()] { raw->run_worker(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool Tracer::outlived() const { return state_->pins.has_value(); }
const std::vector<Tracer::Adopted>& Tracer::adopted() const { return state_->adopted; }

Result<UniqueFd> Tracer::adopted_ring(const Adopted& session) {
    if (OtherVersion* other = state_->others.of(session.session)) return other->ring(session);
    return state_->pins->get(name_of(RingPin{session.session, session.sizes.ring_bytes}));
}

Result<Tracer::Armed> Tracer::arm(const ScopeRoot& root, const Init& init, const SessionSizes& sizes,
                                  const std::vector<std::string>& task_keys, const SessionOwner& owner) {
    auto keys = packed_keys(task_keys);
    if (!keys) return std::move(keys).error();
    if (state_->others.trace(root)) return errno_error("enter the cgroup", EEXIST);
    auto outer = outer_session_of(state_->maps(), root, owner.uid);
    if (!outer) return std::move(outer).error();
    auto armed = state_->take(sizes);
    if (!armed) return armed;
    uint64_t session = armed->session;
    const spoor_session entry =
        packed_session(root, init, state_->skeleton->rodata->spoords_pid_namespace, *outer);
    spoor_scope_key key{root.cgroup_id, root.hierarchy, 0};
    const spoor_owner whose = packed_owner(owner, sizes.seen_entries);
    Status entered;
    if (bpf_map_update_elem(state_->maps().owners, &session, &whose, BPF_ANY) != 0)
        entered = errno_error("enter the owner");
    else if (bpf_map_update_elem(state_->maps().sessions, &session, &entry, BPF_NOEXIST) != 0)
        entered = errno_error("enter the session");
    else if (!task_keys.empty() &&
             bpf_map_update_elem(state_->maps().task_keys, &session, &*keys, BPF_ANY) != 0)
        entered = errno_error("enter the task keys");
    // The scope comes after its session: from here on programs act on it.
    else if (bpf_map_update_elem(state_->maps().scopes, &key, &session, BPF_NOEXIST) != 0)
        entered = errno_error("enter the cgroup");
    else if (entered = state_->begin(*armed, sizes.ring_bytes); !entered)
        (void)stop_session(state_->maps(), session);
    if (!entered) {
        state_->retire(session);
        return std::move(entered).error();
    }
    return armed;
}

Result<UniqueFd> Tracer::grow(uint64_t session, uint32_t ring_bytes) {
    if (OtherVersion* other = state_->others.of(session)) return other->grow(session, ring_bytes);
    uint32_t& bytes = state_->ring_sizes[session];
    auto ring =
        grow_ring(state_->maps(), state_->pins ? &*state_->pins : nullptr, session, bytes, ring_bytes);
    if (ring) bytes = ring_bytes;
    return ring;
}

Result<spoor_counters> Tracer::counters(uint64_t session) {
    if (OtherVersion* other = state_->others.of(session)) return other->counters(session);
    return state_->left_out.added_to(counters_of(state_->maps(), session), session, state_->skeleton);
}

size_t Tracer::programs_attached() const {
    std::lock_guard lock(state_->mutex);
    return state_->others.links() + (state_->attached ? loadable_programs(state_->skeleton).size() : 0);
}

Status Tracer::renew(uint64_t session, uint32_t pid, uint64_t start_ns) {
    const uint64_t salt = ++state_->renewals * 0x9e3779b97f4a7c15u;
    return state_->change({session, pid, start_ns}, [salt](auto& process) { process.instance ^= salt; });
}

Result<UniqueFd> Tracer::open_window(uint64_t session) {
    if (state_->others.of(session)) return errno_error("window: a session of another version", ENOTSUP);
    return put_window(bpf_map__fd(state_->skeleton->maps.windows), session);
}

Status Tracer::assign(uint64_t session, uint32_t pid, uint64_t start_ns, uint32_t refusal) {
    return state_->change({session, pid, start_ns}, [refusal](auto& process) { process.refusal = refusal; });
}

Result<spoor_counters> Tracer::stop(uint64_t session) {
    if (OtherVersion* other = state_->others.of(session)) return other->stop(session);
    return state_->left_out.added_to(stop_session(state_->maps(), session), session, state_->skeleton);
}

void Tracer::release(uint64_t session) {
    if (state_->others.of(session)) return state_->others.release(session);
    {
        std::lock_guard lock(state_->mutex);
        if (--state_->sessions == 0) state_->idle_since = State::Clock::now();
    }
    state_->retire(session);
}

Coverage Tracer::coverage() const {
    std::lock_guard lock(state_->mutex);
    return coverage_of(state_->adopted_links ? state_->adopted_links->programs
                                             : loadable_programs(state_->skeleton));
}

}  // namespace spoor::bpf
