#include "bpf/process_entry.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <string>

namespace spoor::bpf {

Status change_process(int processes, const ProcessName& which,
                      const std::function<void(spoor_process&)>& change) {
    const std::string what = "change the entry of process " + std::to_string(which.tgid);
    spoor_process process{};
    if (bpf_map_lookup_elem(processes, &which.tgid, &process) != 0 || process.session != which.session ||
        process.start_ns != which.start_ns)
        return errno_error(what, ESRCH);
    change(process);
    process.told_open = 0;  // the programs may have changed theirs meanwhile; without it they look again
    if (bpf_map_update_elem(processes, &which.tgid, &process, BPF_EXIST) != 0)
        return errno_error(what, errno == ENOENT ? ESRCH : errno);
    return {};
}

}  // namespace spoor::bpf
