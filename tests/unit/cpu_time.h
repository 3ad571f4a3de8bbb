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

// A limit that is generous to an optimised build, for every build: without optimisation, under a sanitizer
// and in an emulator all takes many times as long. It is for what takes minutes once it is done wrongly.
constexpr double cpu_limit_ms(double optimised) {
#ifdef NDEBUG
    return optimised;
#else
    return 10 * optimised;
#endif
}

}  // namespace spoor
