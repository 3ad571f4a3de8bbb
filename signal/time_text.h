// RFC 3339 text for times that mostly lie in the same second as the one before: formatting a date
// for every line of accesses.jsonl would cost more than the rest of the line.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace spoor {

class TimeText {
public:
    explicit TimeText(const WallClock& clock) : clock_(clock) {}

    // Valid until the next call. May be 1 µs off WallClock's own text.
    std::string_view operator()(uint64_t boot_ns) {
        if (boot_ns < second_ns_ || boot_ns - second_ns_ >= 1'000'000'000) {
            text_ = clock_.rfc3339(boot_ns);
            uint64_t micros = 0;
            for (char digit : std::string_view(text_).substr(text_.size() - 7, 6))
                micros = micros * 10 + static_cast<uint64_t>(digit - '0');
            second_ns_ = boot_ns >= micros * 1000 ? boot_ns - micros * 1000 : UINT64_MAX;
            return text_;
        }
        uint64_t micros = (boot_ns - second_ns_) / 1000;
        for (size_t i = 0; i < 6; ++i, micros /= 10)
            text_[text_.size() - 2 - i] = static_cast<char>('0' + micros % 10);
        return text_;
    }

private:
    const WallClock& clock_;
    std::string text_;
    uint64_t second_ns_ = UINT64_MAX;  // boot time at which text_'s second began
};

}  // namespace spoor
