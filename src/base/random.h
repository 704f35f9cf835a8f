// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): the value at a position depends only on seed,
// stream and position, so that dropout, shuffles and samples are the same for any thread count and resume exactly.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace hew {

inline std::array<uint32_t, 4> Philox(uint64_t seed, uint64_t stream, uint64_t position) {
  std::array<uint32_t, 4> x = {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32),
                               static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * x[0], p1 = uint64_t{0xCD9E8D57u} * x[2];
    x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return x;
}

// A sequence with its whole state in three numbers, which a checkpoint stores.
struct Random {
  uint64_t seed = 0, stream = 0, position = 0;

  uint32_t Next32() { return Philox(seed, stream, position++)[0]; }
  uint64_t Next64() {
    const auto x = Philox(seed, stream, position++);
    return (uint64_t{x[1]} << 32) | x[0];
  }
  // Uniform in [0, 1), 24 bits.
  float Uniform() { return static_cast<float>(Next32() >> 8) * 0x1p-24f; }
  // Uniform in [0, bound), bound >= 1, without the bias of a remainder being measurable (64-bit multiply).
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next64()) * bound) >> 64);
  }
  // Standard normal (Box-Muller).
  float Normal() {
    const auto x = Philox(seed, stream, position++);
    const double u = (static_cast<double>(x[0]) + 1.0) * 0x1p-32, v = static_cast<double>(x[1]) * 0x1p-32;
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
  }
};

}  // namespace hew
