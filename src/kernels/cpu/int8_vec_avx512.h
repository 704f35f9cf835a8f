// What int8 products need beside linear_vec_avx512.h: VNNI.
#pragma once

#include "kernels/cpu/linear_vec_avx512.h"

namespace hew::HEW_LINEAR {
namespace {

inline constexpr int kInt8Rows = 6;     // rows of multiply in registers
inline constexpr int kInt8FewRows = 4;  // rows of multiply_few in registers, where there are several
inline constexpr bool kSignedBytes = false;
template <int bits>
inline constexpr int kCountedBits = 8;  // whatever the codes, one instruction

inline Bits BroadcastBits(const uint32_t* p) { return _mm512_set1_epi32(static_cast<int>(*p)); }
inline void StoreBits(uint32_t* p, Bits b) { _mm512_storeu_si512(p, b); }

// The sum of products of unsigned codes with signed ones, four to a lane, over the steps 0, 1, ... in this order.
template <int bits>
struct IntegerSum {
  Bits sum;
  template <int step>
  HEW_LINEAR_INLINE_MEMBER void Add(Bits codes, Bits q) {
    sum = _mm512_dpbusd_epi32(step == 0 ? _mm512_setzero_si512() : sum, codes, q);
  }
};

// Eight columns of 16 signed bytes: columns 0, 2, 4, 6 and 1, 3, 5, 7 as a word a row, with 128 added to each.
inline Bits TurnBytes(Bits columns) {  // 128-bit quarters hold a column each
  const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m512i turn = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i turned = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, columns), turn);
  return _mm512_xor_si512(turned, _mm512_set1_epi8(static_cast<char>(-128)));
}
inline void ByteColumns(const uint8_t* p, Bits* even, Bits* odd) {
  const __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
  *even = TurnBytes(_mm512_shuffle_i32x4(a, b, 0x88));
  *odd = TurnBytes(_mm512_shuffle_i32x4(a, b, 0xdd));
}

// The largest of 32 absolute values, as bits: a NaN is larger than any.
inline uint32_t HighestMagnitude(Vec a, Vec b) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  return _mm512_reduce_max_epu32(
      _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), mask), _mm512_and_si512(_mm512_castps_si512(b), mask)));
}

// 32 values rounded to int8, to nearest even: eight words in the order of a row, and the sums of both halves.
inline void RoundToBytes(Vec a, Vec b, uint32_t* words, int* sums) {
  const __m512i first = _mm512_cvtps_epi32(a), second = _mm512_cvtps_epi32(b);
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  __m128i* out = reinterpret_cast<__m128i*>(words);
  _mm_storeu_si128(out, _mm_shuffle_epi8(_mm512_cvtsepi32_epi8(first), order));
  _mm_storeu_si128(out + 1, _mm_shuffle_epi8(_mm512_cvtsepi32_epi8(second), order));
  sums[0] = _mm512_reduce_add_epi32(first);
  sums[1] = _mm512_reduce_add_epi32(second);
}

}  // namespace
}  // namespace hew::HEW_LINEAR
