// What int8 products need beside linear_vec_scalar.h, and the model of int8_vec_avx2.h and _avx512.h.
#pragma once

#include "kernels/cpu/linear_vec_scalar.h"

namespace hew::HEW_LINEAR {
namespace {

inline constexpr int kInt8Rows = kStripRows;
inline constexpr int kInt8FewRows = 1;
inline constexpr bool kSignedBytes = false;
template <int bits>
inline constexpr int kCountedBits = 8;

inline Bits BroadcastBits(const uint32_t* p) {
  return Map<Bits>([&](int) { return *p; });
}
inline void StoreBits(uint32_t* p, const Bits& b) { __builtin_memcpy(p, &b, sizeof b); }

// The sum of products of unsigned codes with signed ones, four to a lane, over the steps 0, 1, ... in this order.
template <int bits>
struct IntegerSum {
  Bits sum;
  template <int step>
  void Add(const Bits& codes, const Bits& q) {
    for (int i = 0; i < 16; ++i) {
      int products = step == 0 ? 0 : static_cast<int>(sum.lane[i]);
      for (int byte = 0; byte < 32; byte += 8) {
        products += static_cast<int>(codes.lane[i] >> byte & 255) * static_cast<int8_t>(q.lane[i] >> byte & 255);
      }
      sum.lane[i] = static_cast<uint32_t>(products);
    }
  }
};

// Eight columns of 16 signed bytes: columns 0, 2, 4, 6 and 1, 3, 5, 7 as a word a row, with 128 added to each.
inline void ByteColumns(const uint8_t* p, Bits* even, Bits* odd) {
  for (int i = 0; i < 16; ++i) {
    even->lane[i] = odd->lane[i] = 0;
    for (int c = 0; c < 4; ++c) {
      even->lane[i] |= static_cast<uint32_t>(p[2 * c * 16 + i] ^ 128) << (8 * c);
      odd->lane[i] |= static_cast<uint32_t>(p[(2 * c + 1) * 16 + i] ^ 128) << (8 * c);
    }
  }
}

// The largest of 32 absolute values, as bits: a NaN is larger than any.
inline uint32_t HighestMagnitude(const Vec& a, const Vec& b) {
  uint32_t most = 0;
  const Bits bits[2] = {LoadBits(&a), LoadBits(&b)};
  for (const Bits& half : bits) {
    for (const uint32_t lane : half.lane) most = (lane & 0x7fffffffu) > most ? lane & 0x7fffffffu : most;
  }
  return most;
}

// 32 values rounded to int8, to nearest even: eight words in the order of a row, and the sums of both halves.
inline void RoundToBytes(const Vec& a, const Vec& b, uint32_t* words, int* sums) {
  for (int half = 0; half < 2; ++half) {
    sums[half] = 0;
    for (int w = 0; w < 4; ++w) words[half * 4 + w] = 0;
    for (int i = 0; i < 16; ++i) {
      const float v = (half == 0 ? a : b).lane[i];
      const int q = v >= -128 && v <= 127.5f ? static_cast<int>(__builtin_rintf(v)) : 0;  // 0: not a number
      sums[half] += q;
      words[half * 4 + i / 8 * 2 + i % 2] |= static_cast<uint32_t>(q & 255) << (i % 8 / 2 * 8);
    }
  }
}

}  // namespace
}  // namespace hew::HEW_LINEAR
