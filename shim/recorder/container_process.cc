#include "shim/recorder/container_process.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/process.h"
#include "config/choices.h"
#include "shim/ipc/broker_protocol.h"
#include "shim/recorder/outbox.h"
#include "signal/declared_judge.h"

namespace spoor {
namespace {

constexpr size_t proc_file_max = 64 * 1024;
constexpr size_t asked_max = 16 * 1024;  // processes looked at for one number

std::string proc(uint32_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

std::optional<uint64_t> number(std::string_view text) {
    uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return value;
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> all;
    while (!text.empty()) {
        const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
        if (end > 0) all.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return all;
}

bool started_at(uint32_t host_pid, uint64_t start_ns) {
    const auto stat = read_process_stat(static_cast<pid_t>(host_pid));
    const auto ticks_per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
    return stat && stat->start_ticks == start_ns / (1'000'000'000 / ticks_per_second);
}

// The numbers of a process in the namespaces from the reader's inwards.
std::vector<uint64_t> numbers_of(uint32_t host_pid) {
    std::vector<uint64_t> numbers;
    auto status = read_file(proc(host_pid, "status"), proc_file_max);
    if (!status) return numbers;
    const std::string_view text = *status;
    const size_t line = text.find("\nNSpid:");
    if (line == std::string_view::npos) return numbers;
    std::string_view rest = text.substr(line + 7);
    for (std::string_view word : words(rest.substr(0, rest.find('\n'))))
        if (auto value = number(word)) numbers.push_back(*value);
    return numbers;
}

// As spoord is told of them.
uint32_t modes_of(const Job& job) {
    // A word that is none becomes a number that spoord refuses.
    const auto number = [](std::string_view word) {
        const auto mode = parse_mode(word);
        return mode ? static_cast<uint32_t>(*mode) : static_cast<uint32_t>(Mode::strict) + 1;
    };
    uint32_t tasks = 0;
    for (const std::string& mode : job.task_modes) tasks |= 1u << number(mode);
    return broker::modes_word(number(job.mode), tasks);
}

}  // namespace

Status kill_process(uint32_t host_pid, uint64_t start_ns) {
    if (host_pid == 0) return Error{ESRCH, "its number on the host is not known"};
    // Looked at after the descriptor is there: from then on it stays this process.
    auto process = open_pidfd(static_cast<pid_t>(host_pid));
    if (!process) return std::move(process).error();
    if (!started_at(host_pid, start_ns)) return Error{ESRCH, "it has ended"};
    if (::syscall(SYS_pidfd_send_signal, process->get(), SIGKILL, nullptr, 0) < 0) return errno_error("kill");
    return {};
}

uint64_t pid_namespace_of(pid_t host_pid) {
    struct stat st {};
    return ::stat(proc(static_cast<uint32_t>(host_pid), "ns/pid").c_str(), &st) < 0 ? 0 : st.st_ino;
}

std::optional<ProcessKey> find_in_namespace(uint32_t pid, uint64_t pid_namespace,
                                            uint64_t container_namespace, const Attribution& processes) {
    if (pid_namespace == container_namespace) return processes.find(pid, 0);
    std::optional<ProcessKey> found;
    size_t asked = 0;
    processes.for_each_living([&](ProcessKey key, uint32_t host_pid) {
        if (found || ++asked > asked_max) return;
        const auto numbers = numbers_of(host_pid);
        if (numbers.empty() || numbers.back() != pid) return;
        if (pid_namespace_of(static_cast<pid_t>(host_pid)) == pid_namespace &&
            started_at(host_pid, key.start_ns))
            found = key;
    });
    return found;
}

bool is_new_namespace_init(pid_t host_pid) {
    const auto numbers = numbers_of(static_cast<uint32_t>(host_pid));
    if (numbers.size() < 2 || numbers.back() != 1) return false;
    const auto theirs = read_process_stat(host_pid);
    const auto ours = read_process_stat(::getpid());
    return theirs && ours && theirs->start_ticks >= ours->start_ticks;
}

Result<UniqueFd> open_directory_in(pid_t host_pid, const std::string& path) {
    auto root = open_file(proc(static_cast<uint32_t>(host_pid), "root"), O_PATH | O_DIRECTORY);
    if (!root) return std::move(root).error();
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    UniqueFd directory(static_cast<int>(::syscall(SYS_openat2, root->get(), path.c_str(), &how, sizeof how)));
    if (!directory) return errno_error(path);
    return directory;
}

std::vector<std::string> task_keys_of(const Job& job) {
    std::vector<std::string> keys = job.task_variables;
    std::erase(keys, "");
    return keys;
}

Session facts_of(const Job& job) {
    Session session;
    session.container_id = job.container_id;
    session.image = job.image;
    session.annotations = job.annotations;
    session.secrets = {job.secret_names, job.secret_prefixes};
    return session;
}

TaskOptions task_options_of(const Job& job, pid_t init_pid) {
    TaskOptions options;
    options.mode = task_mode_named(job.mode).value_or(TaskMode::warn);
    options.modes.clear();
    for (const std::string& name : job.task_modes)
        if (const auto mode = task_mode_named(name)) options.modes.insert(*mode);
    const uint64_t own_namespace = pid_namespace_of(init_pid);
    options.find_nested = [own_namespace](uint32_t pid, uint64_t pid_namespace,
                                          const Attribution& processes) {
        return find_in_namespace(pid, pid_namespace, own_namespace, processes);
    };
    options.variables = {job.task_variables.at(0), job.task_variables.at(1), job.task_variables.at(2),
                         job.task_variables.at(3)};
    DeclaredJudgeOptions judge;
    judge.default_exclusions = job.default_exclusions;
    judge.operators = {{"", "", job.exclude_reads, job.exclude_writes}};
    // The container's first process has the container's files, once it runs.
    judge.open_workspace = [init_pid](const std::string& root) { return open_directory_in(init_pid, root); };
    options.make_judge = declared_judge(std::move(judge));
    return options;
}

TrailOptions trail_options_of(const Job& job, pid_t init_pid) {
    TrailOptions options;
    options.rotate_bytes = job.rotate_bytes;
    options.write_accesses = job.write_accesses;
    options.process_line_delay_ns = 2'000'000'000;
    options.tasks = task_options_of(job, init_pid);
    options.tasks.listener = Outbox::make(job.delivery, job.container_id, job.image);
    return options;
}

Status begin_arm_for(broker::Client& client, const Job& job, int cgroup, int pidfd) {
    return client.begin_arm(job.container_id, cgroup, pidfd, job.ring_bytes, task_keys_of(job),
                            modes_of(job));
}

}  // namespace spoor
