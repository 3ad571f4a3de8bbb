// Processor time of this thread: what a limit can be put on while other programs have the machine.
#pragma once

#include <ctime>

namespace spoor {

class CpuTime {
public:
    CpuTime() : began_(now_ms()) {}
    [[nodiscard]] double ms() const { return now_ms() - began_; }

private:
    static double now_ms() {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
    }
    double began_;
};

}  // namespace spoor
