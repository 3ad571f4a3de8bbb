// Times. Events carry CLOCK_BOOTTIME nanoseconds; files show UTC in RFC 3339 with microseconds.
#pragma once

#include <cstdint>
#include <string>

namespace spoor {

[[nodiscard]] uint64_t boot_time_ns();
[[nodiscard]] int64_t wall_time_ns();  // since the epoch

// A time since the epoch, in nanoseconds (not before it), as "2026-01-31T23:59:59.000001Z".
[[nodiscard]] std::string rfc3339(int64_t wall_ns);

// Converts boot time to wall-clock time. Fixed at construction, so that the times of one session
// keep their order when the wall clock is set.
class WallClock {
public:
    WallClock();
    [[nodiscard]] std::string rfc3339(uint64_t boot_ns) const;
    // Nanoseconds since 1970, UTC.
    [[nodiscard]] uint64_t unix_ns(uint64_t boot_ns) const {
        return boot_ns + static_cast<uint64_t>(offset_ns_);
    }

private:
    int64_t offset_ns_;
};

}  // namespace spoor
