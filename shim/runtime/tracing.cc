#include "shim/runtime/tracing.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "base/files.h"
#include "base/process.h"
#include "config/bounds.h"
#include "oci/annotations.h"
#include "oci/augment.h"
#include "oci/bundle.h"
#include "oci/cgroup.h"
#include "oci/mount_point.h"
#include "shim/ipc/configured_delivery.h"
#include "shim/ipc/job.h"
#include "shim/runtime/detached.h"
#include "shim/runtime/environment.h"
#include "shim/runtime/recorder_process.h"
#include "shim/runtime/runtime_features.h"
#include "shim/runtime/state_dir.h"
#include "shim/runtime/tenancy.h"
#include "shim/runtime/volume_choice.h"
#include "shim/runtime/wrapped_runtime.h"
#include "signal/session.h"

namespace spoor {
namespace {

struct Container {
    Bundle bundle;
    Spec spec;
    SpoorAnnotations annotations;
    ModeSet task_modes = all_modes;
};

using Untouched = std::nullopt_t;
constexpr Untouched untouched = std::nullopt;

bool refuses(const Config& config) { return config.on_unavailable == OnUnavailable::refuse; }

// What cannot be read is the runtime's to complain about, in its own words. Where no container may
// run untraced spoor stops it: another parser may be more lenient than ours.
//
// From here on `config` is what the operator's rule for this tenant leaves of it.
// `known`: the bundle, where it has been read.
Result<std::optional<Container>> read_container(Config& config, const CommandLine& line,
                                                std::optional<Bundle> known) {
    Container container;
    if (!is_plain_container_id(line.container_id)) return {untouched};
    Tenant tenant = this_tenant();
    config.on_unavailable =
        policy_for(config.tenants, tenant).on_unavailable.value.value_or(config.on_unavailable);
    auto bundle = known ? Result<Bundle>(std::move(*known)) : read_bundle(line.bundle, line.config);
    if (!bundle) {
        if (refuses(config) && bundle.error().code == EFBIG) return std::move(bundle).error();
        return {untouched};
    }
    container.bundle = std::move(*bundle);
    auto spec = parse_spec(container.bundle.spec);
    if (!spec) {
        if (refuses(config)) return std::move(spec).error().context("config.json");
        return {untouched};
    }
    container.spec = std::move(*spec);

    tenant.cgroup = cgroup_of_spec(container.spec.cgroups_path);
    const TenantRule& rule = policy_for(config.tenants, tenant);
    for (const auto& [name, value] : rule.annotations.value) container.spec.annotations[name] = value;
    auto annotations = read_annotations(container.spec.annotations);
    if (!annotations) return std::move(annotations).error();
    container.annotations = std::move(*annotations);
    Wish wish{container.annotations.trace, {}};
    if (container.annotations.mode) wish.mode = parse_mode(*container.annotations.mode);
    const auto choice = choice_for(config, rule, wish);
    if (!choice) return choice.error();
    if (choice->mode == Mode::off) return {untouched};
    container.task_modes = choice->task_modes;
    config.mode = choice->mode;
    config.on_unavailable = choice->on_unavailable;
    config.ring = {choice->ring_initial, choice->ring_max};
    return {std::move(container)};
}

// A state directory that is removed again unless it is kept.
class StateDirGuard {
public:
    explicit StateDirGuard(StateDir dir) : dir_(std::move(dir)) {}
    ~StateDirGuard() {
        if (!kept_) remove_state_dir(dir_);
    }
    StateDirGuard(const StateDirGuard&) = delete;
    StateDirGuard& operator=(const StateDirGuard&) = delete;

    [[nodiscard]] const StateDir& get() const { return dir_; }
    void keep() { kept_ = true; }

private:
    StateDir dir_;
    bool kept_ = false;
};

class VolumeGuard {
public:
    explicit VolumeGuard(PreparedVolume volume) : volume_(std::move(volume)) {}
    ~VolumeGuard() {
        if (!kept_) volume_.undo();
    }
    VolumeGuard(const VolumeGuard&) = delete;
    VolumeGuard& operator=(const VolumeGuard&) = delete;

    [[nodiscard]] const PreparedVolume& get() const { return volume_; }
    void keep() { kept_ = true; }

private:
    PreparedVolume volume_;
    bool kept_ = false;
};

Status write_new_file(const std::string& dir, const char* name, std::string_view text) {
    const std::string path = dir + "/" + name;
    const auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!file) return file.error();
    auto written = write_all(file->get(), text);
    if (!written) return std::move(written).error().context(path);
    return {};
}

Job make_job(const Config& config, const Container& container, const CommandLine& line, const StateDir& state,
             const PreparedVolume& volume, const VolumePlace& place, const std::string& own) {
    Job job;
    job.container_id = line.container_id;
    job.state_dir = state.path;
    job.volume_dir = volume.path();
    job.own_volume = volume.own();
    job.mount_path = place.mount_path;
    auto mount_point = find_mount_point(container.spec, container.bundle.dir, place.mount_path);
    job.mount_root = std::move(mount_point.root);
    job.mount_missing = std::move(mount_point.missing);
    // Of others it is not known what they execute as the container's first process.
    if (line.verb != CommandLine::Verb::restore && is_known(config.runtime))
        job.cgroup = cgroup_to_be(container.spec.cgroups_path, line.container_id);
    job.image = image_name(container.spec.annotations);
    job.annotations = container.spec.annotations;
    job.mode = to_string(config.mode);
    job.task_modes.clear();
    for (Mode mode : {Mode::off, Mode::warn, Mode::strict})
        if (allows(container.task_modes, mode)) job.task_modes.emplace_back(to_string(mode));
    job.broker_socket = config.broker.socket;
    if (config.broker.start_private) {
        const std::string broker = find_program(config.broker.program, "spoord", own);
        if (is_executable(broker)) job.broker_program = broker;
    }
    job.on_unavailable = to_string(config.on_unavailable);
    job.default_exclusions = config.tasks.default_exclusions;
    job.secret_names = config.secrets.names;
    job.secret_prefixes = config.secrets.prefixes;
    job.exclude_reads = config.tasks.exclude_reads;
    job.exclude_writes = config.tasks.exclude_writes;
    const auto& variables = config.tasks.variables;
    job.task_variables = {variables.project, variables.target, variables.configuration,
                          variables.workspace_root};
    job.freeze = config.on_pressure == OnPressure::freeze;
    job.setup_deadline_ms = static_cast<uint32_t>(config.setup_deadline.count());
    job.ring_bytes = config.ring.initial;
    job.ring_max_bytes = config.ring.max;
    job.keep_volumes = config.volumes.keep;
    job.rotate_bytes = config.accesses.rotate;
    job.write_accesses = config.accesses.write;
    job.log_file = config.log.file;
    job.log_level = config.log.level;
    job.delivery = delivery_settings(config, state_root(config),
                                     find_program(config.delivery.program, "spoor-deliver", own));
    return job;
}

// The hook's errors go where the runtime's own go; a hook's working directory is another.
std::string absolute_log(const std::string& log) {
    if (log.empty() || log.starts_with('/') || log.find(':') != std::string::npos) return log;
    const std::unique_ptr<char, decltype(&::free)> cwd(::getcwd(nullptr, 0), &::free);
    return cwd ? std::string(cwd.get()) + "/" + log : log;
}

AddedHook make_hook(const char* name, const Config& config, const std::string& state_dir,
                    const std::string& own) {
    return {
        own,
        {"hook", name, "--state", state_dir, "--deadline-ms", std::to_string(config.setup_deadline.count()),
         "--on-unavailable", to_string(config.on_unavailable)}};
}

void add_hooks(const Config& config, const CommandLine& line, const std::string& state_dir,
               const std::string& own, Additions& additions) {
    additions.create_runtime = make_hook("create-runtime", config, state_dir, own);
    additions.poststop = make_hook("poststop", config, state_dir, own);
    if (line.log.empty()) return;
    for (const auto& word :
         {std::string("--log"), absolute_log(line.log), std::string("--log-format"), line.log_format})
        additions.create_runtime.arguments.push_back(word);
}

// A copy of this process removes the state directory when the wrapped runtime has ended, and so has
// taken its own copy of the spec.
Status remove_after_runtime(const StateDir& state_dir, int runtime) {
    return start_detached({runtime}, [&state_dir] {
        pollfd item{3, POLLIN, 0};
        while (::poll(&item, 1, -1) < 0 && errno == EINTR) {
        }
        remove_state_dir(state_dir);
    });
}

// Without a recorder nobody else removes the state directory. A bundle in it is the container's for
// its whole life (hooks run in it), so that one goes with the container.
Status leave_to_nobody(Handover::Option option, const Config& config, const StateDir& state_dir,
                       const std::string& own, int runtime, Additions& additions) {
    if (option == Handover::Option::config) return remove_after_runtime(state_dir, runtime);
    additions.poststop = make_hook("poststop", config, state_dir.path, own);
    return {};
}

Result<Handover> write_augmented(Handover::Option option, const Bundle& bundle, const std::string& state_dir,
                                 const Additions& additions) {
    const auto spec = augment_spec(bundle.spec, additions);
    if (!spec) return spec.error();
    if (option == Handover::Option::config) {
        SPOOR_TRY(write_new_file(state_dir, augmented_config_file, *spec));
        return Handover{option, state_dir + "/" + augmented_config_file};
    }
    SPOOR_TRY(make_bundle_copy(bundle, state_dir + "/" + bundle_copy_dir, *spec));
    return Handover{option, state_dir + "/" + bundle_copy_dir};
}

Status start_recorder(const Config& config, const CommandLine& line, const Job& job, const std::string& own,
                      int runtime) {
    SPOOR_TRY(can_be_traced(config.runtime, line.verb));
    const auto end = std::chrono::steady_clock::now() + config.setup_deadline;
    if (!is_known(config.runtime)) SPOOR_TRY(ask_for_hooks(config.runtime, config.setup_deadline / 2));
    const std::string program = find_program(config.recorder, "spoor-recorder", own);
    auto started = RecorderProcess::start(program, job.state_dir + "/" + job_file, runtime, refuses(config));
    if (!started) return std::move(started).error().context("start the recorder");
    auto pid = started->confirm(config.setup_deadline);
    if (!pid) return std::move(pid).error().context("start the recorder " + program);
    SPOOR_TRY(write_new_file(job.state_dir, recorder_file, process_identity(*pid)));
    if (!refuses(config)) return {};
    auto ready = started->wait_until_ready(end);
    if (!ready) kill_process(process_identity(*pid));  // nobody would tell it that there is no container
    return ready;
}

// The volume, the recorder, and what these add to the spec. `runtime`: a pidfd.
Result<Additions> start_tracing(const Config& config, const Container& container, const CommandLine& line,
                                const StateDir& state, int runtime, std::optional<VolumeGuard>& volume) {
    const std::string root = state_root(config);
    const std::string own = front_program();
    const auto place =
        choose_volume(config, root, container.bundle, container.spec, container.annotations, state.name);
    if (!place) return place.error();
    if (place->kind != VolumePlace::Kind::own && is_host_root()) {
        auto roots = config.volumes.roots;
        roots.push_back(root);
        SPOOR_TRY(check_host_root_volume(*place, roots));
    }
    auto prepared = PreparedVolume::prepare(*place);
    if (!prepared) return std::move(prepared).error();
    volume.emplace(std::move(*prepared));

    const Job job = make_job(config, container, line, state, volume->get(), *place, own);
    SPOOR_TRY(write_new_file(state.path, job_file, to_json(job)));
    Additions additions;
    additions.mounts = volume_mounts(*place, volume->get().path());
    const Handover::Option option = handover_option(config.runtime, line.verb);
    if (option == Handover::Option::bundle) additions.bundle_dir = container.bundle.dir;
    const Status recorder = start_recorder(config, line, job, own, runtime);
    if (recorder) {
        add_hooks(config, line, state.path, own, additions);
    } else {
        if (refuses(config)) return Error(recorder.error()).context("tracing is not possible");
        (void)write_untraced_session(job.volume_dir, job.container_id, job.image, recorder.error().message);
        SPOOR_TRY(leave_to_nobody(option, config, state, own, runtime, additions));
    }
    return additions;
}

Result<std::string> read_unfinished(const Begun& begun) {
    if (::lseek(begun.spec.get(), 0, SEEK_SET) != 0) return errno_error("read the spec");
    auto spec = read_fd(begun.spec.get(), largest_spec);
    if (!spec) return std::move(spec).error().context("read the spec");
    if (spec->empty() || spec->front() != '\0') return Error{EINVAL, "this is no unfinished spec"};
    spec->front() = '{';
    return spec;
}

// A spec that lacks its first byte is none, so whoever looks meanwhile, or after this was killed, finds a
// whole one or none. It never gets shorter.
Status finish_spec(const Begun& begun, const std::string& spec) {
    const int fd = begun.spec.get();
    if (::lseek(fd, 1, SEEK_SET) != 1) return errno_error("write the spec");
    auto written = write_all(fd, std::string_view(spec).substr(1));
    if (!written) return std::move(written).error().context("write the spec");
    if (::pwrite(fd, spec.data(), 1, 0) != 1) return errno_error("write the spec");
    return {};
}

Status set_up_begun(const Config& asked, const CommandLine& line, const Begun& begun) {
    Config config = asked;
    const auto spec = read_unfinished(begun);
    if (!spec) return spec.error();
    auto bundle = bundle_with_spec(line.bundle, *spec);
    if (!bundle) return std::move(bundle).error();
    auto container = read_container(config, line, std::move(*bundle));
    if (!container) return std::move(container).error();
    // Another configuration than a moment ago.
    if (*container &&
        (refuses(config) || handover_option(config.runtime, line.verb) != Handover::Option::config))
        return Error{EAGAIN, "the configuration has changed meanwhile"};
    const UmaskGuard umask;
    if (!*container || !write_owner(begun.state_dir, begun.runtime_pid)) {
        SPOOR_TRY(remove_after_runtime(begun.state_dir, begun.runtime.get()));
        return finish_spec(begun, *spec);
    }

    std::optional<VolumeGuard> volume;
    const auto additions =
        start_tracing(config, **container, line, begun.state_dir, begun.runtime.get(), volume);
    if (!additions) return additions.error();
    const auto augmented = augment_spec(*spec, *additions);
    if (!augmented) return augmented.error();
    SPOOR_TRY(finish_spec(begun, *augmented));
    volume->keep();
    return {};
}

}  // namespace

Result<std::optional<Handover>> set_up_tracing(const Config& asked, const CommandLine& line) {
    Config config = asked;
    auto container = read_container(config, line, std::nullopt);
    if (!container) return std::move(container).error();
    if (!*container) return {untouched};

    const UmaskGuard umask;
    auto state_dir = make_state_dir(state_root(config), line.container_id);
    if (!state_dir) {
        if (refuses(config)) return std::move(state_dir).error().context("tracing is not possible");
        return {untouched};
    }
    StateDirGuard state(std::move(*state_dir));
    const auto runtime = open_pidfd(::getpid());
    if (!runtime) return runtime.error();
    std::optional<VolumeGuard> volume;
    const auto additions = start_tracing(config, **container, line, state.get(), runtime->get(), volume);
    if (!additions) return additions.error();
    const auto handover = write_augmented(handover_option(config.runtime, line.verb), (*container)->bundle,
                                          state.get().path, *additions);
    if (!handover) return handover.error();
    state.keep();
    volume->keep();
    return {*handover};
}

Status set_up_tracing(const Config& asked, const CommandLine& line, const Begun& begun) {
    auto done = set_up_begun(asked, line, begun);
    // It has to be there when the runtime looks for it.
    if (!done) (void)remove_after_runtime(begun.state_dir, begun.runtime.get());
    return done;
}

}  // namespace spoor
