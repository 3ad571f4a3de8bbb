// SipHash-1-3 with a key drawn at start. The strings hashed here are chosen by the workload, which
// must be able neither to slow the recorder down by collisions nor to hide an access behind one.
#pragma once

#include <cstdint>
#include <string_view>

namespace spoor {

class KeyedHash {
public:
    KeyedHash();  // from getrandom(2)
    constexpr KeyedHash(uint64_t k0, uint64_t k1) : k0_(k0), k1_(k1) {}

    // `seed` is hashed in front of `bytes`: a parent's number, an earlier hash.
    [[nodiscard]] uint64_t operator()(uint64_t seed, std::string_view bytes) const;

private:
    uint64_t k0_;
    uint64_t k1_;
};

}  // namespace spoor
