#include "bpf/packing.h"

#include <cstring>
#include <iterator>

namespace spoor::bpf {
namespace {

// The words that the programs compare with.
spoor_task_key packed_key(const std::string& name) {
    static_assert(task_key_bytes_max + 1 == sizeof spoor_task_key::text);
    const std::string text = name + "=";
    spoor_task_key key{};
    std::memcpy(key.text, text.data(), text.size());
    std::memset(key.mask, 0xff, text.size());
    return key;
}

}  // namespace

Result<spoor_task_keys> packed_keys(const std::vector<std::string>& names) {
    spoor_task_keys keys{};
    static_assert(task_keys_max == std::size(decltype(keys.keys){}));
    if (names.size() > task_keys_max) return errno_error("more task keys than fit", EINVAL);
    for (size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty() || names[i].size() > task_key_bytes_max)
            return errno_error("a task key of " + std::to_string(names[i].size()) + " bytes", EINVAL);
        keys.keys[i] = packed_key(names[i]);
    }
    return keys;
}

spoor_session packed_session(const ScopeRoot& root, const Tracer::Init& init, uint32_t spoords_pid_namespace,
                             uint64_t outer) {
    spoor_session packed{};
    packed.root_cgroup_id = root.cgroup_id;
    packed.root_hierarchy = root.hierarchy;
    packed.init_pid = init.pid;
    packed.pid_namespace = init.pid_namespace != 0 ? init.pid_namespace : spoords_pid_namespace;
    packed.outer = outer;
    return packed;
}

spoor_owner packed_owner(const SessionOwner& owner, uint32_t seen_entries) {
    spoor_owner packed{};
    packed.token[0] = owner.token[0];
    packed.token[1] = owner.token[1];
    packed.uid = owner.uid;
    packed.gid = owner.gid;
    packed.seen_entries = seen_entries;
    owner.container_id.copy(packed.container_id, sizeof packed.container_id - 1);
    if (owner.cgroup.size() < sizeof packed.cgroup) owner.cgroup.copy(packed.cgroup, owner.cgroup.size());
    return packed;
}

}  // namespace spoor::bpf
