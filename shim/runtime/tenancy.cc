#include "shim/runtime/tenancy.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "base/files.h"

namespace spoor {
namespace {

constexpr size_t largest_map = 1024 * 1024;

// systemd.slice(5): a-b.slice lies in a.slice.
std::string slice_path(const std::string& slice) {
    constexpr std::string_view suffix = ".slice";
    if (slice.empty() || slice == "-.slice") return "";
    if (!slice.ends_with(suffix)) return "/" + slice;
    std::string path;
    for (size_t dash = slice.find('-'); dash != std::string::npos; dash = slice.find('-', dash + 1))
        path += "/" + slice.substr(0, dash) + std::string(suffix);
    return path + "/" + slice;
}

}  // namespace

std::optional<uint32_t> outside_id(std::string_view map, uint32_t inside) {
    std::istringstream lines{std::string(map)};
    for (uint64_t first = 0, outside = 0, count = 0; lines >> first >> outside >> count;)
        if (inside >= first && inside - first < count) return static_cast<uint32_t>(outside + inside - first);
    return std::nullopt;
}

Tenant this_tenant(const std::string& proc) {
    Tenant tenant;
    const auto uids = read_file(proc + "/self/uid_map", largest_map);
    const auto gids = read_file(proc + "/self/gid_map", largest_map);
    tenant.uid = ::geteuid();
    if (uids) tenant.uid = outside_id(*uids, tenant.uid).value_or(tenant.uid);
    std::vector<gid_t> groups(static_cast<size_t>(std::max(::getgroups(0, nullptr), 0)));
    const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<size_t>(std::max(count, 0)));
    groups.push_back(::getegid());
    for (const gid_t group : groups)
        if (const auto outside = gids ? outside_id(*gids, group) : std::optional<uint32_t>(group))
            tenant.gids.push_back(*outside);
    return tenant;
}

std::string cgroup_of_spec(const std::string& cgroups_path) {
    if (cgroups_path.starts_with('/')) return cgroups_path;
    const size_t first = cgroups_path.find(':');
    const size_t second = first == std::string::npos ? first : cgroups_path.find(':', first + 1);
    if (second == std::string::npos) return "";
    const std::string prefix = cgroups_path.substr(first + 1, second - first - 1);
    const std::string name = cgroups_path.substr(second + 1);
    const std::string unit =
        name.ends_with(".slice") ? name : (prefix.empty() ? "" : prefix + "-") + name + ".scope";
    return slice_path(cgroups_path.substr(0, first)) + "/" + unit;
}

}  // namespace spoor
