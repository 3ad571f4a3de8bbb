#include "shim/broker/subordinate_ids.h"

#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "base/files.h"
#include "base/number.h"

namespace spoor::broker {
namespace {

constexpr size_t file_limit = 16 << 20;

std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> fields;
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, ':');) fields.push_back(field);
    return fields;
}

std::map<std::string, uid_t> uids_by_name(const std::string& users) {
    std::map<std::string, uid_t> uids;
    std::istringstream lines(read_file(users, file_limit).value_or(""));
    for (std::string line; std::getline(lines, line);) {
        const auto fields = fields_of(line);
        if (fields.size() < 3) continue;
        if (const auto uid = number_in<uint32_t>(fields[2])) uids.emplace(fields[0], *uid);
    }
    return uids;
}

}  // namespace

SubordinateIds SubordinateIds::read(const std::string& ranges, const std::string& users) {
    SubordinateIds all;
    const auto uids = uids_by_name(users);
    std::istringstream lines(read_file(ranges, file_limit).value_or(""));
    for (std::string line; std::getline(lines, line);) {
        const auto fields = fields_of(line);
        if (fields.size() != 3) continue;
        const auto named = uids.find(fields[0]);
        const auto owner =
            named != uids.end() ? std::optional(named->second) : number_in<uint32_t>(fields[0]);
        const auto first = number_in<uint32_t>(fields[1]), count = number_in<uint32_t>(fields[2]);
        if (!owner || *owner == 0 || !first || !count || *count == 0) continue;
        all.ranges_.emplace(*first, Range{uint64_t{*first} + *count, *owner});
    }
    return all;
}

uid_t SubordinateIds::owner_of(uid_t uid) const {
    const auto next = ranges_.upper_bound(uid);
    if (next == ranges_.begin()) return uid;
    const Range& range = std::prev(next)->second;
    return uid < range.end ? range.owner : uid;
}

}  // namespace spoor::broker
