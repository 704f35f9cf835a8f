// Sixteen lanes as one 512-bit register, in two modes: fp32, and with HEW_LINEAR_BF16 pairs of bf16 in each lane.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/cpu/linear_each.h"

namespace hew::HEW_LINEAR {
namespace {

#if defined(HEW_LINEAR_BF16)
inline constexpr int kGroup = 2;
#else
inline constexpr int kGroup = 1;
#endif
inline constexpr int kStripRows = 12;
inline constexpr int kVectors = 2;
inline constexpr int kFusedRows = 4;  // up to so many rows go straight from the tiles, in functions per format
inline constexpr int kFewPiece = 8;

using Vec = __m512;
using Bits = __m512i;

inline Vec Zero() { return _mm512_setzero_ps(); }
inline Vec Constant(float a) { return _mm512_set1_ps(a); }
inline Vec LoadVec(const void* p) { return _mm512_loadu_ps(p); }
inline void StoreVec(void* p, Vec v) { _mm512_storeu_ps(p, v); }
template <int n>  // at least n lanes: the rest lies in the slack or is written again
inline void StoreFirst(void* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec Broadcast(const void* p) { return _mm512_set1_ps(*static_cast<const float*>(p)); }
inline Vec Mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec Add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec Negate(Vec a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
inline Vec Fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }

inline Bits LoadBits(const void* p) { return _mm512_loadu_si512(p); }
inline Bits LoadBytes(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
template <int n>
inline Bits Shift(Bits b) {
  if constexpr (n == 0) return b;
  if constexpr (n > 0) return _mm512_srli_epi32(b, n & 31);
  return _mm512_slli_epi32(b, -n & 31);
}
inline Bits ShiftBy(Bits b, int n) { return _mm512_srl_epi32(b, _mm_cvtsi32_si128(n)); }
inline Bits And(Bits b, uint32_t mask) { return _mm512_and_si512(b, _mm512_set1_epi32(static_cast<int>(mask))); }
template <uint32_t low, uint32_t high>
inline Bits Merge(Bits a, Bits b) {
  return _mm512_or_si512(And(a, low), And(b, high));
}
template <uint32_t mask>  // a where the mask has ones, else b
inline Bits Select(Bits a, Bits b) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi32(static_cast<int>(mask)), a, b, 0xca);
}
template <uint32_t mask, uint32_t bits>
inline Bits MaskOr(Bits a) {
  return _mm512_ternarylogic_epi32(a, _mm512_set1_epi32(static_cast<int>(mask)), _mm512_set1_epi32(static_cast<int>(bits)), 0xea);
}
template <uint32_t mask>
inline Bits OrMasked(Bits a, Bits b) {
  return _mm512_ternarylogic_epi32(a, b, _mm512_set1_epi32(static_cast<int>(mask)), 0xf8);
}
template <int n>  // to the right
inline Bits Rotate(Bits b) {
  if constexpr (n == 0) return b;
  return _mm512_ror_epi32(b, n);
}
inline Vec ToFloat(Bits b) { return _mm512_cvtepi32_ps(b); }
inline Vec AsVec(Bits b) { return _mm512_castsi512_ps(b); }
inline Vec Int8Vec(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline Vec HalfVec(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline Vec Bf16Vec(const void* p) {
  return AsVec(Shift<-16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)))));
}
inline void StoreBf16(void* p, Vec v) { _mm256_storeu_si256(static_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh(v)); }

#if defined(HEW_LINEAR_BF16)
// Thirty-two values rounded to bf16: those of a, then those of b.
inline Vec RoundJoined(Vec a, Vec b) { return AsVec((__m512i)_mm512_cvtne2ps_pbh(b, a)); }
// Lane i: the bf16 pair (even[i], odd[i]).
inline Vec RoundPairs(Vec even, Vec odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                         4, 19, 3, 18, 2, 17, 1, 16, 0);
  return AsVec(_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even)));
}
// Lane i: the bf16 pair (first[i], second[i]), of 32 values of each row to two registers, or of 16 to one.
inline void InterleaveTwo(const void* first, const void* second, uint32_t* out) {
  const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35,
                                       3, 34, 2, 33, 1, 32, 0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  const __m512i a = _mm512_loadu_si512(first), b = _mm512_loadu_si512(second);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi16(a, low, b));
  _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi16(a, high, b));
}
inline void InterleaveOne(const void* first, const void* second, uint32_t* out) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(first)));
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(second)));
  _mm512_storeu_si512(out, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
// acc + the sum of both products of each pair, in fp32.
inline Vec MulAdd(Vec acc, Vec a, Vec b) {
  return _mm512_dpbf16_ps(acc, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b));
}
#else
inline Vec MulAdd(Vec acc, Vec a, Vec b) { return Fma(a, b, acc); }
#endif

// In rounds: single lanes, pairs of lanes, and twice quarters of 128 bits.
HEW_LINEAR_INLINE void Transpose(Vec* r) {
  Vec t[16];
  Each<8>([&](auto i) HEW_LINEAR_LAMBDA {
    constexpr int at = i.value * 2;
    t[at] = _mm512_unpacklo_ps(r[at], r[at + 1]);
    t[at + 1] = _mm512_unpackhi_ps(r[at], r[at + 1]);
  });
  Each<4>([&](auto i) HEW_LINEAR_LAMBDA {
    constexpr int at = i.value * 4;
    r[at] = _mm512_shuffle_ps(t[at], t[at + 2], 0x44);
    r[at + 1] = _mm512_shuffle_ps(t[at], t[at + 2], 0xee);
    r[at + 2] = _mm512_shuffle_ps(t[at + 1], t[at + 3], 0x44);
    r[at + 3] = _mm512_shuffle_ps(t[at + 1], t[at + 3], 0xee);
  });
  Each<4>([&](auto n) HEW_LINEAR_LAMBDA {
    constexpr int i = n.value;
    const Vec even = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88), odd = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    const Vec even8 = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88), odd8 = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    r[i] = _mm512_shuffle_f32x4(even, even8, 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(even, even8, 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(odd, odd8, 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(odd, odd8, 0xdd);
  });
}

// Sixteen steps of twelve rows, transposed to [16][12]; the last four lanes lie in the slack.
HEW_LINEAR_INLINE void StoreStrip(const Vec* row, uint32_t* strip) {
  Vec block[16];
  Each<16>([&](auto i) HEW_LINEAR_LAMBDA { block[i.value] = i.value < kStripRows ? row[i.value < kStripRows ? i.value : 0] : Zero(); });
  Transpose(block);
  Each<16>([&](auto i) HEW_LINEAR_LAMBDA { StoreVec(strip + i.value * kStripRows, block[i.value]); });
}

}  // namespace
}  // namespace hew::HEW_LINEAR
