// What int8 products need beside linear_vec_avx2.h. `maddubs` adds two products in 16 bits, which saturate: small codes
// leave room for several additions before they are widened; eight-bit ones stay signed, their sign moved to the
// activation.
#pragma once

#include "kernels/cpu/linear_vec_avx2.h"

namespace hew::HEW_LINEAR {
namespace {

inline constexpr int kInt8Rows = 3;
inline constexpr int kInt8FewRows = 2;
inline constexpr bool kSignedBytes = true;
template <int bits>
inline constexpr int kCountedBits = bits;

inline Bits BroadcastBits(const uint32_t* p) {
  const __m256i a = _mm256_set1_epi32(static_cast<int>(*p));
  return {a, a};
}
inline void StoreBits(uint32_t* p, Bits b) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), b.lo);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), b.hi);
}

template <int bits>
struct IntegerSum {
  // Steps whose pairs fit 16 bits together: (2^bits - 1) * 127 * 2 each.
  static constexpr int kRun = bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
  Bits pairs, sum;

  HEW_LINEAR_INLINE __m256i Pairs(__m256i codes, __m256i q) {
    if constexpr (bits == 8) return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(q, codes));
    return _mm256_maddubs_epi16(codes, q);
  }
  template <int step>
  HEW_LINEAR_INLINE_MEMBER void Add(Bits codes, Bits q) {
    const Bits next = {Pairs(codes.lo, q.lo), Pairs(codes.hi, q.hi)};
    if constexpr (step % kRun == 0)
      pairs = next;
    else
      pairs = {_mm256_add_epi16(pairs.lo, next.lo), _mm256_add_epi16(pairs.hi, next.hi)};
    if constexpr (step % kRun == kRun - 1) {
      const __m256i one = _mm256_set1_epi16(1);
      const Bits wide = {_mm256_madd_epi16(pairs.lo, one), _mm256_madd_epi16(pairs.hi, one)};
      if constexpr (step < kRun)
        sum = wide;
      else
        sum = {_mm256_add_epi32(sum.lo, wide.lo), _mm256_add_epi32(sum.hi, wide.hi)};
    }
  }
};

// Eight columns of 16 signed bytes: columns 0, 2, 4, 6 and 1, 3, 5, 7 as a word a row.
inline Bits TurnBytes(const uint8_t* p) {  // columns 32 bytes apart
  const auto column = [&](int c) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + c * 32)); };
  const __m128i a = column(0), b = column(1), c = column(2), d = column(3);
  const __m128i ab_low = _mm_unpacklo_epi8(a, b), ab_high = _mm_unpackhi_epi8(a, b);
  const __m128i cd_low = _mm_unpacklo_epi8(c, d), cd_high = _mm_unpackhi_epi8(c, d);
  return {_mm256_set_m128i(_mm_unpackhi_epi16(ab_low, cd_low), _mm_unpacklo_epi16(ab_low, cd_low)),
          _mm256_set_m128i(_mm_unpackhi_epi16(ab_high, cd_high), _mm_unpacklo_epi16(ab_high, cd_high))};
}
inline void ByteColumns(const uint8_t* p, Bits* even, Bits* odd) {
  *even = TurnBytes(p);
  *odd = TurnBytes(p + 16);
}

inline uint32_t HighestMagnitude(Vec a, Vec b) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  const auto magnitude = [&](__m256 v) { return _mm256_and_si256(_mm256_castps_si256(v), mask); };
  const __m256i most = _mm256_max_epu32(_mm256_max_epu32(magnitude(a.lo), magnitude(a.hi)),
                                        _mm256_max_epu32(magnitude(b.lo), magnitude(b.hi)));
  __m128i half = _mm_max_epu32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(half));
}

inline int SumOf(__m256i a) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

inline void RoundToBytes(Vec a, Vec b, uint32_t* words, int* sums) {
  const __m256i a0 = _mm256_cvtps_epi32(a.lo), a1 = _mm256_cvtps_epi32(a.hi), b0 = _mm256_cvtps_epi32(b.lo),
                b1 = _mm256_cvtps_epi32(b.hi);
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a0, a1), _mm256_packs_epi32(b0, b1));  // by 128-bit lanes
  const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m256i order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), _mm256_shuffle_epi8(ordered, order));
  sums[0] = SumOf(_mm256_add_epi32(a0, a1));
  sums[1] = SumOf(_mm256_add_epi32(b0, b1));
}

}  // namespace
}  // namespace hew::HEW_LINEAR
