#include "base/process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <sstream>

#include "base/files.h"

namespace spoor {

Result<UniqueFd> open_pidfd(pid_t pid) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) return errno_error("pidfd_open");
    return fd;
}

Result<ProcessStat> read_process_stat(pid_t pid, const std::string& proc) {
    const std::string path = proc + "/" + std::to_string(pid) + "/stat";
    const auto text = read_file(path, 4096);
    if (!text) return text.error();
    const Error malformed{EINVAL, path + ": not as proc_pid_stat(5) describes it"};
    // The second field, the name in parentheses, may hold anything.
    const size_t name_end = text->rfind(')');
    if (name_end == std::string::npos) return malformed;
    std::istringstream fields(text->substr(name_end + 1));
    ProcessStat stat;
    fields >> stat.state;
    std::string passed_over;
    for (int number = 4; number < 22; ++number) fields >> passed_over;
    if (!(fields >> stat.start_ticks)) return malformed;
    return stat;
}

}  // namespace spoor
