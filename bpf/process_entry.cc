#include "bpf/process_entry.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <string>

#include "base/pid_namespace.h"

namespace spoor::bpf {

namespace {

bool is_of(int processes, uint32_t key, const ProcessName& which, spoor_process& process) {
    return bpf_map_lookup_elem(processes, &key, &process) == 0 && process.session == which.session &&
           process.number == which.number && process.start_ns == which.start_ns;
}

}  // namespace

Status change_process(const SessionMaps& maps, const ProcessName& which,
                      const std::function<void(spoor_process&)>& change) {
    const std::string what = "change the entry of process " + std::to_string(which.number);
    spoor_process process{};
    uint32_t key = which.number;
    bool found = is_of(maps.processes, key, which, process);
    spoor_session session{};
    if (!found && bpf_map_lookup_elem(maps.sessions, &which.session, &session) == 0 &&
        session.pid_namespace != first_pid_namespace)
        for (const uint32_t* last = nullptr; !found && bpf_map_get_next_key(maps.processes, last, &key) == 0;
             last = &key)
            found = is_of(maps.processes, key, which, process);
    if (!found) return errno_error(what, ESRCH);
    change(process);
    process.told_open = 0;  // the programs may have changed theirs meanwhile; without it they look again
    if (bpf_map_update_elem(maps.processes, &key, &process, BPF_EXIST) != 0)
        return errno_error(what, errno == ENOENT ? ESRCH : errno);
    return {};
}

}  // namespace spoor::bpf
