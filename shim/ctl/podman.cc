#include "shim/ctl/podman.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "base/files.h"
#include "base/process.h"

extern "C" char** environ;

namespace spoor::ctl {
namespace {

constexpr const char* mount_path = "/run/spoor";
constexpr const char* default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Status add_bind(std::vector<std::string>& command, const std::string& source, const std::string& target,
                const char* options) {
    for (const std::string& path : {source, target})
        if (path.find(':') != std::string::npos)
            return Error{EINVAL,
                         path + ": podman cannot mount a path with a ':' in it; use another directory"};
    command.push_back("-v");
    command.push_back(source + ":" + target + options);
    return {};
}

Status add_root(std::vector<std::string>& command, const RunOptions& options, const std::string& skeleton) {
    if (!options.image.empty()) {
        command.push_back(options.image);
        return {};
    }
    std::string directory = options.rootfs.empty() ? skeleton : options.rootfs;
    if (directory.find(':') != std::string::npos)
        return Error{EINVAL, directory + ": podman cannot use a root with a ':' in its path"};
    // An overlay above it: what the container changes in its root goes with it.
    command.push_back("--rootfs");
    command.push_back(directory + ":O");
    return {};
}

std::string limit_text(const char* name, __rlimit_resource_t resource, rlim_t ceiling) {
    rlimit limit{};
    ::getrlimit(resource, &limit);
    auto number = [&](rlim_t value) {
        value = std::min(value, ceiling);
        return value == RLIM_INFINITY ? std::string("-1") : std::to_string(value);
    };
    return std::string(name) + "=" + number(limit.rlim_cur) + ":" + number(limit.rlim_max);
}

// Conmon lowers its own limit of processes to this, and what it starts cannot go above.
rlim_t largest_pid() {
    auto text = read_file("/proc/sys/kernel/pid_max", 64);
    rlim_t value = text ? std::strtoul(text->c_str(), nullptr, 10) : 0;
    return value ? value : RLIM_INFINITY;
}

void add_environment(std::vector<std::string>& command, const RunOptions& options) {
    auto add = [&](const std::string& assignment) {
        command.push_back("--env");
        command.push_back(assignment);
    };
    if (options.image.empty()) {
        add(default_path);
        add("HOME=/root");
        for (const char* name : {"LANG", "LC_ALL", "TZ"})
            if (const char* value = std::getenv(name)) add(std::string(name) + "=" + value);
    }
    for (const std::string& assignment : options.environment) add(assignment);
}

}  // namespace

RunHost probe_run_host(const RunOptions& options) {
    RunHost host;
    host.root = ::geteuid() == 0;
    host.systemd = has_systemd();
    host.pids_controller = probe_cgroups().pids;
    host.terminal = !options.json && ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
    if (host.root)
        host.limits = {limit_text("nofile", RLIMIT_NOFILE, RLIM_INFINITY),
                       limit_text("nproc", RLIMIT_NPROC, largest_pid())};
    if (options.image.empty() && options.rootfs.empty()) host.view = host_view();
    return host;
}

Status make_skeleton(const std::string& directory, const HostView& view) {
    for (const char* name :
         {"dev", "etc", "home", "opt", "proc", "root", "run", "sys", "tmp", "usr", "var"}) {
        std::string path = directory + "/" + name;
        // The umask must not shut out the container's other users.
        if (::mkdir(path.c_str(), 0755) < 0 || ::chmod(path.c_str(), 0755) < 0) return errno_error(path);
    }
    std::string tmp = directory + "/tmp", var_tmp = directory + "/var/tmp";
    if (::mkdir(var_tmp.c_str(), 01777) < 0 || ::chmod(var_tmp.c_str(), 01777) < 0)
        return errno_error(var_tmp);
    if (::chmod(tmp.c_str(), 01777) < 0 || ::chmod(directory.c_str(), 0755) < 0) return errno_error(tmp);
    for (const auto& link : view.links)
        if (::symlink(link.target.c_str(), (directory + "/" + link.name).c_str()) < 0)
            return errno_error(directory + "/" + link.name);
    return {};
}

Result<std::vector<std::string>> podman_command(const RunOptions& options, const RunHost& host,
                                                const std::string& volume, const std::string& skeleton) {
    bool host_image = options.image.empty() && options.rootfs.empty();
    std::vector<std::string> command = {options.podman};
    if (!host.systemd) command.push_back("--cgroup-manager=cgroupfs");
    command.insert(command.end(), {"--runtime", options.runtime, "run", "--rm", "--log-driver", "none",
                                   "--network", options.network});
    for (const std::string& limit : host.limits) command.insert(command.end(), {"--ulimit", limit});
    if (!host.pids_controller) command.insert(command.end(), {"--pids-limit", "-1"});
    command.push_back(host.terminal ? "-it" : "-i");
    command.insert(command.end(), {"--annotation", "io.spoor.trace=true", "--annotation",
                                   std::string("io.spoor.mount=") + mount_path});
    SPOOR_TRY(add_bind(command, volume, mount_path, ""));
    if (host_image)
        for (const std::string& directory : host.view.read_only)
            SPOOR_TRY(add_bind(command, directory, directory, ":ro"));
    if (!options.workdir.empty()) {
        SPOOR_TRY(add_bind(command, options.workdir, options.workdir, ""));
        command.insert(command.end(), {"-w", options.workdir});
    }
    // Host directories cannot be relabelled for SELinux.
    if (host_image || !options.workdir.empty())
        command.insert(command.end(), {"--security-opt", "label=disable"});
    add_environment(command, options);
    command.insert(command.end(), options.podman_arguments.begin(), options.podman_arguments.end());
    SPOOR_TRY(add_root(command, options, skeleton));
    command.insert(command.end(), options.command.begin(), options.command.end());
    return command;
}

Result<int> run_program(const std::vector<std::string>& command, bool stdout_to_stderr) {
    // Blocked from before the child exists, so that none is lost; the child gets the old mask back.
    sigset_t watched, old_mask;
    ::sigemptyset(&watched);
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&watched, number);
    if (::sigprocmask(SIG_BLOCK, &watched, &old_mask) < 0) return errno_error("block signals");
    struct Restore {
        sigset_t mask;
        ~Restore() { ::sigprocmask(SIG_SETMASK, &mask, nullptr); }
    } restore{old_mask};
    UniqueFd arrived(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!arrived) return errno_error("watch signals");

    std::vector<char*> argv;
    for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_setsigmask(&attributes, &old_mask);
    sigset_t defaults;
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);  // ignored in this process
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (stdout_to_stderr) ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t child = -1;
    int failure = ::posix_spawn(&child, command[0].c_str(), &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (failure) return errno_error("start " + command[0], failure);

    const auto ended = open_pidfd(child);
    for (;;) {
        int status = 0;
        pid_t waited = ::waitpid(child, &status, ended ? WNOHANG : 0);
        if (waited == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (waited < 0 && errno != EINTR) return errno_error("wait for " + command[0]);
        pollfd events[] = {{ended ? ended->get() : -1, POLLIN, 0}, {arrived.get(), POLLIN, 0}};
        ::poll(events, 2, -1);
        signalfd_siginfo info{};
        while (::read(arrived.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            // The terminal's own signals go to the whole foreground group: podman has them already.
            bool from_terminal = info.ssi_code == SI_KERNEL;
            if (!from_terminal) ::kill(child, static_cast<int>(info.ssi_signo));
        }
    }
}

}  // namespace spoor::ctl
