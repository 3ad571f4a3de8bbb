#include "base/clock.h"

#include <cstdio>
#include <ctime>

namespace spoor {
namespace {

constexpr int64_t ns_per_second = 1'000'000'000;

int64_t now_ns(clockid_t clock) {
    timespec ts{};
    ::clock_gettime(clock, &ts);
    return ts.tv_sec * ns_per_second + ts.tv_nsec;
}

}  // namespace

uint64_t boot_time_ns() { return static_cast<uint64_t>(now_ns(CLOCK_BOOTTIME)); }
int64_t wall_time_ns() { return now_ns(CLOCK_REALTIME); }

WallClock::WallClock() : offset_ns_(now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME)) {}

std::string rfc3339(int64_t wall_ns) {
    time_t seconds = wall_ns / ns_per_second;
    tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[80];
    size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text + length, sizeof text - length, ".%06dZ",
                  static_cast<int>(wall_ns % ns_per_second / 1000));
    return text;
}

std::string WallClock::rfc3339(uint64_t boot_ns) const {
    return spoor::rfc3339(static_cast<int64_t>(boot_ns) + offset_ns_);
}

}  // namespace spoor
