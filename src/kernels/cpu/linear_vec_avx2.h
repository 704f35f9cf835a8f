// Sixteen lanes as two 256-bit registers.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/cpu/linear_each.h"

namespace hew::HEW_LINEAR {
namespace {

inline constexpr int kGroup = 1;
inline constexpr int kStripRows = 6;
inline constexpr int kVectors = 1;
inline constexpr int kFusedRows = 2;  // up to so many rows go straight from the tiles, in functions per format
inline constexpr int kFewPiece = 2;

struct Vec { __m256 lo, hi; };
struct Bits { __m256i lo, hi; };

inline Vec Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec Constant(float a) { return {_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
inline Vec LoadVec(const void* p) {
  const float* f = static_cast<const float*>(p);
  return {_mm256_loadu_ps(f), _mm256_loadu_ps(f + 8)};
}
inline void StoreVec(void* p, Vec v) {
  float* f = static_cast<float*>(p);
  _mm256_storeu_ps(f, v.lo);
  _mm256_storeu_ps(f + 8, v.hi);
}
template <int n>  // at least n lanes: the rest lies in the slack or is written again
inline void StoreFirst(void* p, Vec v) {
  static_assert(n <= 8);
  _mm256_storeu_ps(static_cast<float*>(p), v.lo);
}
inline Vec Broadcast(const void* p) {
  const __m256 a = _mm256_broadcast_ss(static_cast<const float*>(p));
  return {a, a};
}
inline Vec Mul(Vec a, Vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Vec Add(Vec a, Vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Vec Negate(Vec a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign)};
}
inline Vec Fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline Vec MulAdd(Vec acc, Vec a, Vec b) { return Fma(a, b, acc); }

inline Bits LoadBits(const void* p) {
  const __m256i* b = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(b), _mm256_loadu_si256(b + 1)};
}
inline Bits LoadBytes(const uint8_t* p) {
  return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8)))};
}
template <int n>
inline Bits Shift(Bits b) {
  if constexpr (n == 0) return b;
  if constexpr (n > 0) return {_mm256_srli_epi32(b.lo, n & 31), _mm256_srli_epi32(b.hi, n & 31)};
  return {_mm256_slli_epi32(b.lo, -n & 31), _mm256_slli_epi32(b.hi, -n & 31)};
}
inline Bits ShiftBy(Bits b, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_srl_epi32(b.lo, count), _mm256_srl_epi32(b.hi, count)};
}
inline Bits And(Bits b, uint32_t mask) {
  const __m256i m = _mm256_set1_epi32(static_cast<int>(mask));
  return {_mm256_and_si256(b.lo, m), _mm256_and_si256(b.hi, m)};
}
inline Bits Or(Bits a, Bits b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
template <uint32_t low, uint32_t high>
inline Bits Merge(Bits a, Bits b) {
  return Or(And(a, low), And(b, high));
}
template <uint32_t mask>  // a where the mask has ones, else b
inline Bits Select(Bits a, Bits b) {
  const __m256i m = _mm256_set1_epi32(static_cast<int>(mask));
  return Or(And(a, mask), {_mm256_andnot_si256(m, b.lo), _mm256_andnot_si256(m, b.hi)});
}
template <uint32_t mask, uint32_t bits>
inline Bits MaskOr(Bits a) {
  const __m256i b = _mm256_set1_epi32(static_cast<int>(bits));
  return Or(And(a, mask), {b, b});
}
template <uint32_t mask>
inline Bits OrMasked(Bits a, Bits b) { return Or(a, And(b, mask)); }
template <int n>  // to the right
inline Bits Rotate(Bits b) {
  if constexpr (n == 0) return b;
  return Or(Shift<n>(b), Shift<n - 32>(b));
}
inline Vec ToFloat(Bits b) { return {_mm256_cvtepi32_ps(b.lo), _mm256_cvtepi32_ps(b.hi)}; }
inline Vec AsVec(Bits b) { return {_mm256_castsi256_ps(b.lo), _mm256_castsi256_ps(b.hi)}; }
inline Vec Int8Vec(const uint8_t* p) {
  return ToFloat({_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))),
                  _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8)))});
}
inline Vec HalfVec(const uint8_t* p) {
  const __m128i* h = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(h)), _mm256_cvtph_ps(_mm_loadu_si128(h + 1))};
}
inline Vec Bf16Vec(const void* p) {
  const __m128i* h = static_cast<const __m128i*>(p);
  return AsVec(Shift<-16>({_mm256_cvtepu16_epi32(_mm_loadu_si128(h)), _mm256_cvtepu16_epi32(_mm_loadu_si128(h + 1))}));
}
// Eight values rounded to bf16, in the low halves of the lanes; a NaN stays one.
inline __m256i RoundBf16(__m256 v) {
  const __m256i u = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd), 16);
  const __m256i nan = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(rounded, nan, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
inline void StoreBf16(void* p, Vec v) {
  const __m256i packed = _mm256_packus_epi32(RoundBf16(v.lo), RoundBf16(v.hi));  // by 128-bit lanes
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}

HEW_LINEAR_INLINE void Transpose8(__m256* r) {
  __m256 t[8], s[8];
  Each<4>([&](auto i) HEW_LINEAR_LAMBDA {
    constexpr int at = i.value * 2;
    t[at] = _mm256_unpacklo_ps(r[at], r[at + 1]);
    t[at + 1] = _mm256_unpackhi_ps(r[at], r[at + 1]);
  });
  Each<2>([&](auto i) HEW_LINEAR_LAMBDA {
    constexpr int at = i.value * 4;
    s[at] = _mm256_shuffle_ps(t[at], t[at + 2], 0x44);
    s[at + 1] = _mm256_shuffle_ps(t[at], t[at + 2], 0xee);
    s[at + 2] = _mm256_shuffle_ps(t[at + 1], t[at + 3], 0x44);
    s[at + 3] = _mm256_shuffle_ps(t[at + 1], t[at + 3], 0xee);
  });
  Each<4>([&](auto i) HEW_LINEAR_LAMBDA {
    r[i.value] = _mm256_permute2f128_ps(s[i.value], s[i.value + 4], 0x20);
    r[i.value + 4] = _mm256_permute2f128_ps(s[i.value], s[i.value + 4], 0x31);
  });
}

// An 8 x 8 quarter at a time: the whole does not fit the registers.
HEW_LINEAR_INLINE void Transpose(Vec* r) {
  __m256 part[4][8];
  Each<8>([&](auto n) HEW_LINEAR_LAMBDA {
    constexpr int i = n.value;
    part[0][i] = r[i].lo;
    part[1][i] = r[i].hi;
    part[2][i] = r[i + 8].lo;
    part[3][i] = r[i + 8].hi;
  });
  for (auto& p : part) Transpose8(p);
  Each<8>([&](auto n) HEW_LINEAR_LAMBDA {
    constexpr int i = n.value;
    r[i] = {part[0][i], part[2][i]};
    r[i + 8] = {part[1][i], part[3][i]};
  });
}

// Sixteen steps of six rows, transposed to [16][6]; the last two lanes lie in the slack.
HEW_LINEAR_INLINE void StoreStrip(const Vec* row, uint32_t* strip) {
  float* out = reinterpret_cast<float*>(strip);
  const __m256 zero = _mm256_setzero_ps();
  __m256 low[8] = {row[0].lo, row[1].lo, row[2].lo, row[3].lo, row[4].lo, row[5].lo, zero, zero};
  Transpose8(low);
  Each<8>([&](auto i) HEW_LINEAR_LAMBDA { _mm256_storeu_ps(out + i.value * kStripRows, low[i.value]); });
  __m256 high[8] = {row[0].hi, row[1].hi, row[2].hi, row[3].hi, row[4].hi, row[5].hi, zero, zero};
  Transpose8(high);
  Each<8>([&](auto i) HEW_LINEAR_LAMBDA { _mm256_storeu_ps(out + (i.value + 8) * kStripRows, high[i.value]); });
}

}  // namespace
}  // namespace hew::HEW_LINEAR
