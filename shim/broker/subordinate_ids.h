// Whose the uids are that a user's namespaces are made of (subuid(5)).
//
// To spoord a user and those uids are one tenant: a user namespace gives everybody tens of thousands, and
// each would have limits of its own, or another rule's. What belongs to a uid (a cgroup, a token) stays the
// uid's.
//
// Threads: none of its own; reading it takes no name service, so that it can be done at any time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace spoor::broker {

class SubordinateIds {
public:
    SubordinateIds() = default;
    // Lines NAME:FIRST:COUNT or UID:FIRST:COUNT of `ranges`, names as in `users` (passwd(5)). What is no such
    // line, or of a user who is not in there, is passed over, as are root's ranges: no one gets root's rules
    // by them. Files that cannot be read are as if empty.
    static SubordinateIds read(const std::string& ranges = "/etc/subuid",
                               const std::string& users = "/etc/passwd");

    // The user whose range `uid` is of; else `uid` itself.
    [[nodiscard]] uid_t owner_of(uid_t uid) const;

private:
    struct Range {
        uint64_t end = 0;  // behind the last
        uid_t owner = 0;
    };
    std::map<uint64_t, Range> ranges_;  // by the first
};

}  // namespace spoor::broker
