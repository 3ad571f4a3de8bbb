#include "shim/runtime/environment.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include "base/files.h"
#include "base/process.h"

namespace spoor {
namespace {

constexpr const char* program_dir = "/usr/libexec/spoor/";
constexpr std::string_view program_dir_below_prefix = "/libexec/spoor";

// In ticks from boot. Empty if there is no such process, or only a zombie.
std::string start_time(int pid) {
    const auto stat = read_process_stat(pid);
    return stat && !stat->ended() ? std::to_string(stat->start_ticks) : "";
}

}  // namespace

std::string state_root(const Config& config) {
    if (!config.state_root.empty()) return config.state_root;
    const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
    if (runtime_dir != nullptr && runtime_dir[0] == '/') return std::string(runtime_dir) + "/spoor";
    return "/run/spoor";
}

std::string front_program() {
    std::array<char, PATH_MAX> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    if (size <= 0 || static_cast<size_t>(size) == path.size()) return "/usr/bin/spoor";
    const std::string_view own(path.data(), static_cast<size_t>(size));
    const std::string_view dir = own.substr(0, own.rfind('/'));
    if (!dir.ends_with(program_dir_below_prefix)) return std::string(dir) + "/spoor";
    return std::string(dir.substr(0, dir.size() - program_dir_below_prefix.size())) + "/bin/spoor";
}

std::string find_program(const std::string& configured, const std::string& name, const std::string& own) {
    if (!configured.empty()) return configured;
    const std::string beside = own.substr(0, own.rfind('/') + 1) + name;
    return is_executable(beside) ? beside : program_dir + name;
}

bool is_executable(const std::string& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

bool is_host_root() {
    if (::geteuid() != 0) return false;
    const auto map = read_file("/proc/self/uid_map", 65536);
    if (!map) return true;  // no /proc: assume the more dangerous
    std::istringstream fields(*map);
    uint64_t inside = 1;
    uint64_t outside = 1;
    uint64_t count = 0;
    fields >> inside >> outside >> count;
    return inside == 0 && outside == 0 && count == 4294967295u;
}

std::string process_identity(int pid) { return std::to_string(pid) + " " + start_time(pid); }

bool is_alive(const std::string& identity) {
    const int pid = std::atoi(identity.c_str());
    return pid > 0 && !start_time(pid).empty() && process_identity(pid) == identity;
}

void kill_process(const std::string& identity) {
    const auto process = open_pidfd(std::atoi(identity.c_str()));
    // Checked while the descriptor holds the process: no other can have its number.
    if (process && is_alive(identity)) ::syscall(SYS_pidfd_send_signal, process->get(), SIGKILL, nullptr, 0);
}

UmaskGuard::UmaskGuard() : before_(::umask(022)) {}

UmaskGuard::~UmaskGuard() { ::umask(before_); }

}  // namespace spoor
