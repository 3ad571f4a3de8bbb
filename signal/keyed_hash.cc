#include "signal/keyed_hash.h"

#include <sys/random.h>

#include <bit>
#include <cstring>

#include "base/clock.h"

namespace spoor {

KeyedHash::KeyedHash() : k0_(boot_time_ns()), k1_(~k0_) {
    uint64_t key[2];
    // Early in boot there may be no entropy; then the clock has to do.
    if (::getrandom(key, sizeof key, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof key)) {
        k0_ = key[0];
        k1_ = key[1];
    }
}

uint64_t KeyedHash::operator()(uint64_t seed, std::string_view bytes) const {
    uint64_t v0 = k0_ ^ 0x736f6d6570736575, v1 = k1_ ^ 0x646f72616e646f6d;
    uint64_t v2 = k0_ ^ 0x6c7967656e657261, v3 = k1_ ^ 0x7465646279746573;
    auto round = [&] {
        v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    };
    auto absorb = [&](uint64_t word) {
        v3 ^= word;
        round();
        v0 ^= word;
    };
    absorb(seed);
    size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        uint64_t word;
        std::memcpy(&word, bytes.data() + at, 8);
        absorb(word);
    }
    uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
    for (size_t i = 0; at + i < bytes.size(); ++i)
        last |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    absorb(last);
    v2 ^= 0xff;
    round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace spoor
