#include "shim/broker/privileges.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <memory>

namespace spoor::broker {

Status keep_bpf_capabilities_only() {
    constexpr cap_value_t kept[] = {CAP_BPF, CAP_PERFMON};
    std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> now(::cap_get_proc(), ::cap_free);
    if (!now) return errno_error("read the capabilities");
    for (cap_value_t wanted : kept) {
        cap_flag_value_t has = CAP_CLEAR;
        if (::cap_get_flag(now.get(), wanted, CAP_PERMITTED, &has) < 0 || has != CAP_SET)
            return Error{
                EPERM,
                "spoord needs CAP_BPF and CAP_PERFMON: start it as root, or as a service with these two"};
    }
    // Dropping from the bounding set takes CAP_SETPCAP; without it the set stays as it was given.
    for (cap_value_t other = 0; CAP_IS_SUPPORTED(other); ++other)
        if (other != CAP_BPF && other != CAP_PERFMON) (void)::cap_drop_bound(other);
    std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> reduced(::cap_init(), ::cap_free);
    if (!reduced || ::cap_set_flag(reduced.get(), CAP_PERMITTED, 2, kept, CAP_SET) < 0 ||
        ::cap_set_flag(reduced.get(), CAP_EFFECTIVE, 2, kept, CAP_SET) < 0 ||
        ::cap_set_proc(reduced.get()) < 0)
        return errno_error("give up the other capabilities");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return errno_error("no_new_privs");
    return {};
}

}  // namespace spoor::broker
