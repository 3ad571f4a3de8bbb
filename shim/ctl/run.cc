#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <optional>

#include "base/files.h"
#include "shim/ctl/commands.h"
#include "shim/ctl/json_output.h"
#include "shim/ctl/text.h"

namespace spoor::ctl {
namespace {

// The recorder writes its reports before podman returns; this is for a machine under load.
constexpr std::chrono::seconds session_patience{20};

// A directory of this run alone, removed at its end.
class Scratch {
public:
    static Result<Scratch> make() {
        std::string parent = "/tmp";
        const char* prefix = "spoor-run-";
        if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/') {
            parent = std::string(state) + "/spoor";
            prefix = "run-";
            SPOOR_TRY(make_directories(parent, 0700));
        } else if (const char* temporary = std::getenv("TMPDIR"); temporary && *temporary == '/') {
            parent = temporary;
        }
        std::string path = parent + "/" + prefix + "XXXXXX";
        if (!::mkdtemp(path.data())) return errno_error("make a directory in " + parent);
        return Scratch(path);
    }
    Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() {
        if (!path_.empty()) (void)remove_tree(path_);
    }

    Result<std::string> directory(const char* name) const {
        std::string path = path_ + "/" + name;
        if (::mkdir(path.c_str(), 0755) < 0 || ::chmod(path.c_str(), 0755) < 0) return errno_error(path);
        return path;
    }
    // Removes what is in the way; files of a container's other users take podman's user namespace.
    void remove(const RunOptions& options) {
        std::string path = std::exchange(path_, {});
        if (remove_tree(path)) return;
        if (::geteuid() != 0) (void)run_program({options.podman, "unshare", "rm", "-rf", "--", path}, true);
        struct stat st {};
        if (::lstat(path.c_str(), &st) == 0) complain("could not remove " + path);
    }
    void release() { path_.clear(); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    explicit Scratch(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

Result<std::string> absolute_directory(const std::string& path) {
    char resolved[PATH_MAX];
    if (!::realpath(path.c_str(), resolved)) return errno_error(path);
    struct stat st {};
    if (::stat(resolved, &st) < 0) return errno_error(path);
    if (!S_ISDIR(st.st_mode)) return errno_error(path, ENOTDIR);
    return std::string(resolved);
}

Status settle_workdir(RunOptions& options) {
    bool host_image = options.image.empty() && options.rootfs.empty();
    if (options.workdir.empty() && !host_image) return {};
    auto directory = absolute_directory(options.workdir.empty() ? "." : options.workdir);
    if (!directory) return std::move(directory).error().context("the working directory");
    for (const char* taken :
         {"/", "/usr", "/etc", "/opt", "/bin", "/sbin", "/lib", "/dev", "/proc", "/sys"}) {
        bool beneath = std::string_view(taken) == "/dev" || std::string_view(taken) == "/proc" ||
                       std::string_view(taken) == "/sys";
        if (*directory == taken || (beneath && directory->starts_with(std::string(taken) + "/")))
            return Error{EINVAL, "cannot work in " + *directory +
                                     ": it would cover the container's own; name another directory with -w"};
    }
    options.workdir = std::move(*directory);
    return {};
}

Status settle_volume(RunOptions& options, const Scratch& scratch) {
    if (options.volume.empty()) {
        auto volume = scratch.directory("volume");
        if (!volume) return std::move(volume).error();
        options.volume = std::move(*volume);
        return {};
    }
    bool made = ::mkdir(options.volume.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) return errno_error("make the volume " + options.volume);
    // The container's other users have to pass, whatever the umask.
    if (made && ::chmod(options.volume.c_str(), 0755) < 0) return errno_error(options.volume);
    auto volume = absolute_directory(options.volume);
    if (!volume) return std::move(volume).error().context("the volume");
    options.volume = std::move(*volume);
    return {};
}

// Everything that can fail before podman starts.
Result<std::vector<std::string>> prepare(RunOptions& options, const Scratch& scratch) {
    SPOOR_TRY(settle_workdir(options));
    SPOOR_TRY(settle_volume(options, scratch));
    if (!options.rootfs.empty()) {
        auto rootfs = absolute_directory(options.rootfs);
        if (!rootfs) return std::move(rootfs).error().context("the root file system");
        options.rootfs = std::move(*rootfs);
    }
    RunHost host = probe_run_host(options);
    std::string skeleton;
    if (options.image.empty() && options.rootfs.empty()) {
        auto directory = scratch.directory("root");
        if (!directory) return std::move(directory).error();
        SPOOR_TRY(make_skeleton(*directory, host.view));
        skeleton = std::move(*directory);
    }
    return podman_command(options, host, options.volume, skeleton);
}

// An old session of a volume that is used again must not pass for this run's.
struct Before {
    std::optional<std::string> session;
    explicit Before(const std::string& volume) {
        if (auto reader = VolumeReader::open(volume))
            if (auto text = reader->session_text()) session = std::move(*text);
    }
};

Result<VolumeReader> read_after(const std::string& volume, const Before& before) {
    auto reader = VolumeReader::open(volume);
    if (!reader) return Error{ENOENT, "the runtime made no trail in " + volume};
    auto text = reader->session_text();
    if (!text) return Error{ENOENT, "the runtime wrote no session.json into " + volume};
    if (before.session && *text == *before.session)
        return Error{ENOENT, "the trail in " + volume + " is that of an earlier container"};
    (void)reader->wait_for_end(session_patience);
    return reader;
}

void hint_about_cgroups(const RunOptions& options) {
    if (options.network == "host" || ::geteuid() == 0) return;
    Cgroups cgroups = probe_cgroups();
    if (cgroups.delegated) return;
    complain("hint: no cgroup is delegated to this user (" + cgroups.delegation +
             "). Log in through systemd (loginctl, machinectl shell), or use ./dev shell; "
             "`spoorctl doctor` tells more");
}

int print_text(const VolumeReader& volume, const RunOptions& options, bool all, int code) {
    TrailView view = view_trail(volume);
    Style style = Style::of_stdout();
    if (all) style.row_limit = 0;
    std::string text = "\n" + trail_text(view, Sections{}, options.workdir, style);
    if (options.keep) text += "\nvolume: " + printable(options.volume) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? code : exit_tooling;
}

}  // namespace

int run_command(RunOptions options, bool all) {
    auto scratch = Scratch::make();
    if (!scratch) {
        complain(scratch.error().message);
        return exit_tooling;
    }
    bool temporary_volume = options.volume.empty();
    if (!temporary_volume) options.keep = true;
    auto command = prepare(options, *scratch);
    if (!command) {
        complain(command.error().message);
        return exit_tooling;
    }
    Before before(options.volume);
    std::fflush(stdout);
    auto ran = run_program(*command, options.json);
    if (!ran) {
        complain(ran.error().message);
        return exit_tooling;
    }
    int code = *ran;
    auto volume = read_after(options.volume, before);
    if (!volume) {
        // 125: podman failed, and has said why; 126 and 127 are the command's own fault.
        if (code < exit_tooling || code > 127 || options.json)
            complain("no trail: " + volume.error().message);
        if (code == exit_tooling || code == 126) hint_about_cgroups(options);
    }
    if (options.json) {
        auto written = write_json(stdout, volume ? &*volume : nullptr, JsonParts{.exit_code = code});
        if (!written) {
            complain(written.error().message);
            code = exit_tooling;
        }
    } else if (volume) {
        code = print_text(*volume, options, all, code);
    }
    if (temporary_volume && options.keep) {
        (void)remove_tree(scratch->path() + "/root");
        scratch->release();
    } else {
        scratch->remove(options);
    }
    return code;
}

}  // namespace spoor::ctl
