// Sixteen lanes in plain C++: the instruction set of last resort, and the model of linear_vec_avx2.h and _avx512.h.
#pragma once

#include <stdint.h>

#include "base/float16.h"
#include "kernels/cpu/linear_each.h"

namespace hew::HEW_LINEAR {
namespace {

inline constexpr int kGroup = 1;
inline constexpr int kStripRows = 4;
inline constexpr int kVectors = 1;   // vectors of 16 columns in one microkernel tile
inline constexpr int kFusedRows = 0;  // rows that go straight from the tiles: none
inline constexpr int kFewPiece = 2;  // rows that multiply_few holds in registers

struct Vec { float lane[16]; };
struct Bits { uint32_t lane[16]; };

template <typename To, typename Fn>
inline To Map(Fn fn) {
  To out;
  for (int i = 0; i < 16; ++i) out.lane[i] = fn(i);
  return out;
}

inline Vec Zero() { return {}; }
inline Vec Constant(float a) { return Map<Vec>([&](int) { return a; }); }
inline Vec LoadVec(const void* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void StoreVec(void* p, const Vec& v) { __builtin_memcpy(p, &v, sizeof v); }
template <int n>
inline void StoreFirst(void* p, const Vec& v) { __builtin_memcpy(p, &v, n * 4); }
inline Vec Broadcast(const void* p) {
  float a;
  __builtin_memcpy(&a, p, 4);
  return Constant(a);
}
inline Vec Mul(const Vec& a, const Vec& b) { return Map<Vec>([&](int i) { return a.lane[i] * b.lane[i]; }); }
inline Vec Add(const Vec& a, const Vec& b) { return Map<Vec>([&](int i) { return a.lane[i] + b.lane[i]; }); }
inline Vec Negate(const Vec& a) { return Map<Vec>([&](int i) { return -a.lane[i]; }); }
// a * b + c, each rounded: as good as fused where the product is exact, which it is for every dequantised value.
inline Vec Fma(const Vec& a, const Vec& b, const Vec& c) { return Map<Vec>([&](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; }); }
inline Vec MulAdd(const Vec& acc, const Vec& a, const Vec& b) { return Fma(a, b, acc); }

inline Bits LoadBits(const void* p) {
  Bits b;
  __builtin_memcpy(&b, p, sizeof b);
  return b;
}
inline Bits LoadBytes(const uint8_t* p) { return Map<Bits>([&](int i) { return uint32_t{p[i]}; }); }
template <int n>
inline Bits Shift(const Bits& b) { return Map<Bits>([&](int i) { return n >= 0 ? b.lane[i] >> (n & 31) : b.lane[i] << (-n & 31); }); }
inline Bits ShiftBy(const Bits& b, int n) { return Map<Bits>([&](int i) { return b.lane[i] >> n; }); }
inline Bits And(const Bits& b, uint32_t mask) { return Map<Bits>([&](int i) { return b.lane[i] & mask; }); }
template <uint32_t low, uint32_t high>
inline Bits Merge(const Bits& a, const Bits& b) { return Map<Bits>([&](int i) { return (a.lane[i] & low) | (b.lane[i] & high); }); }
template <uint32_t mask>  // a where the mask has ones, else b
inline Bits Select(const Bits& a, const Bits& b) { return Map<Bits>([&](int i) { return (a.lane[i] & mask) | (b.lane[i] & ~mask); }); }
template <uint32_t mask, uint32_t bits>
inline Bits MaskOr(const Bits& a) { return Map<Bits>([&](int i) { return (a.lane[i] & mask) | bits; }); }
template <uint32_t mask>
inline Bits OrMasked(const Bits& a, const Bits& b) { return Map<Bits>([&](int i) { return a.lane[i] | (b.lane[i] & mask); }); }
template <int n>  // to the right
inline Bits Rotate(const Bits& b) { return Map<Bits>([&](int i) { return n == 0 ? b.lane[i] : (b.lane[i] >> n) | (b.lane[i] << (-n & 31)); }); }
inline Vec ToFloat(const Bits& b) { return Map<Vec>([&](int i) { return static_cast<float>(static_cast<int32_t>(b.lane[i])); }); }
inline Vec AsVec(const Bits& b) { return LoadVec(&b); }
inline Vec Int8Vec(const uint8_t* p) { return Map<Vec>([&](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); }); }
inline Vec HalfVec(const uint8_t* p) {
  uint16_t h[16];
  __builtin_memcpy(h, p, 32);
  return Map<Vec>([&](int i) { return HalfToFloat(h[i]); });
}
inline Vec Bf16Vec(const void* p) {
  uint16_t h[16];
  __builtin_memcpy(h, p, 32);
  return Map<Vec>([&](int i) { return BF16ToFloat(h[i]); });
}
inline void StoreBf16(void* p, const Vec& v) {
  uint16_t h[16];
  for (int i = 0; i < 16; ++i) h[i] = FloatToBF16(v.lane[i]);
  __builtin_memcpy(p, h, 32);
}
inline void Transpose(Vec* r) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < i; ++j) {
      const float t = r[i].lane[j];
      r[i].lane[j] = r[j].lane[i];
      r[j].lane[i] = t;
    }
  }
}

// Sixteen steps of kStripRows rows, transposed.
inline void StoreStrip(const Vec* row, uint32_t* strip) {
  for (int s = 0; s < 16; ++s) {
    for (int r = 0; r < kStripRows; ++r) __builtin_memcpy(strip + s * kStripRows + r, &row[r].lane[s], 4);
  }
}

}  // namespace
}  // namespace hew::HEW_LINEAR
