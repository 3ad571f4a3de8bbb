#include "shim/broker/privileges.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <memory>
#include <span>
#include <string>

namespace spoor::broker {
namespace {

using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)>;

Status keep_only(std::span<const cap_value_t> kept) {
    const Capabilities reduced(::cap_init(), ::cap_free);
    const int count = static_cast<int>(kept.size());
    bool done = reduced != nullptr;
    for (cap_flag_t set : {CAP_PERMITTED, CAP_EFFECTIVE})  // none to set is an error of libcap's
        done = done && (count == 0 || ::cap_set_flag(reduced.get(), set, count, kept.data(), CAP_SET) == 0);
    if (!done || ::cap_set_proc(reduced.get()) < 0) return errno_error("give up the other capabilities");
    return {};
}

Status set_no_new_privs() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return errno_error("no_new_privs");
    return {};
}

}  // namespace

Status refuse_extra_capabilities() {
    const Capabilities now(::cap_get_proc(), ::cap_free);
    if (!now) return errno_error("read the capabilities");
    std::string names;
    size_t others = 0;
    for (cap_value_t each = 0; CAP_IS_SUPPORTED(each); ++each) {
        cap_flag_value_t has = CAP_CLEAR;
        if (each == CAP_BPF || each == CAP_PERFMON) continue;
        if (::cap_get_flag(now.get(), each, CAP_PERMITTED, &has) < 0 || has != CAP_SET) continue;
        if (++others > 3) continue;
        char* name = ::cap_to_name(each);
        names += (others > 1 ? ", " : "") + std::string(name ? name : "?");
        ::cap_free(name);
    }
    if (others == 0) return {};
    if (others > 3) names += " and " + std::to_string(others - 3) + " more";
    return Error{EPERM, "spoord was started with capabilities that it does not need (" + names +
                            "): give it CAP_BPF and CAP_PERFMON only, as spoord(8) shows, or let it drop the "
                            "others itself with --allow-extra-capabilities"};
}

Status keep_map_capability_only() {
    constexpr cap_value_t kept[] = {CAP_BPF};
    return keep_only(kept);
}

Status keep_bpf_capabilities_only() {
    constexpr cap_value_t kept[] = {CAP_BPF, CAP_PERFMON};
    const Capabilities now(::cap_get_proc(), ::cap_free);
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
    SPOOR_TRY(keep_only(kept));
    return set_no_new_privs();
}

Status give_up_capabilities() {
    SPOOR_TRY(keep_only({}));
    return set_no_new_privs();
}

}  // namespace spoor::broker
