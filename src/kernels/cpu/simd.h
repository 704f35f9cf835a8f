// A vector of fp32 lanes over three instruction sets, so that a kernel is written once and compiled for each. The
// source that includes this defines one of HEW_ISA_SCALAR, HEW_ISA_AVX2 and HEW_ISA_AVX512 first; everything then lands
// in namespace hew::scalar, avx2 or avx512 (HEW_SIMD). Only intrinsics and built-ins are used: a std:: function
// compiled here would be a weak symbol that the linker may pick on a lesser machine.
#pragma once

#include <stdint.h>

#include "kernels/cpu/row.h"

#if defined(HEW_ISA_AVX512)
#define HEW_SIMD avx512
#include <immintrin.h>
#elif defined(HEW_ISA_AVX2)
#define HEW_SIMD avx2
#include <immintrin.h>
#elif defined(HEW_ISA_SCALAR)
#define HEW_SIMD scalar
#else
#error "define HEW_ISA_SCALAR, HEW_ISA_AVX2 or HEW_ISA_AVX512"
#endif

#define HEW_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define HEW_UNROLL _Pragma("unroll")
#else
#define HEW_UNROLL _Pragma("GCC unroll 16")
#endif

namespace hew::HEW_SIMD {

#if !defined(HEW_ISA_SCALAR)
// The lanes in a fixed order: halves joined to halves.
HEW_INLINE float Sum(__m256 a) {
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}
HEW_INLINE float Highest(__m256 a) {
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}
#endif

#if defined(HEW_ISA_AVX512)

inline constexpr int kLanes = 16;
inline constexpr bool kHasBf16Dot = true;
struct F32x {
  __m512 v;
};
using Mask = __mmask16;

HEW_INLINE F32x Set(float a) { return {_mm512_set1_ps(a)}; }
HEW_INLINE F32x Load(const float* p) { return {_mm512_loadu_ps(p)}; }
HEW_INLINE void Store(float* p, F32x a) { _mm512_storeu_ps(p, a.v); }
HEW_INLINE F32x LoadBf16(const uint16_t* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
HEW_INLINE void StoreBf16(uint16_t* p, F32x a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh(a.v));
}
HEW_INLINE F32x operator+(F32x a, F32x b) { return {_mm512_add_ps(a.v, b.v)}; }
HEW_INLINE F32x operator-(F32x a, F32x b) { return {_mm512_sub_ps(a.v, b.v)}; }
HEW_INLINE F32x operator*(F32x a, F32x b) { return {_mm512_mul_ps(a.v, b.v)}; }
HEW_INLINE F32x operator/(F32x a, F32x b) { return {_mm512_div_ps(a.v, b.v)}; }
HEW_INLINE F32x Fma(F32x a, F32x b, F32x c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
HEW_INLINE F32x Max(F32x a, F32x b) { return {_mm512_max_ps(a.v, b.v)}; }
HEW_INLINE F32x Min(F32x a, F32x b) { return {_mm512_min_ps(a.v, b.v)}; }
HEW_INLINE F32x Sqrt(F32x a) { return {_mm512_sqrt_ps(a.v)}; }
HEW_INLINE F32x Round(F32x a) { return {_mm512_roundscale_ps(a.v, 0)}; }  // to nearest even
HEW_INLINE Mask Less(F32x a, F32x b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
HEW_INLINE F32x Select(Mask m, F32x yes, F32x no) { return {_mm512_mask_blend_ps(m, no.v, yes.v)}; }
HEW_INLINE F32x ScaleByPowerOf2(F32x a, F32x n) { return {_mm512_scalef_ps(a.v, n.v)}; }  // a * 2^n, n whole
HEW_INLINE F32x Iota() { return {_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}; }
HEW_INLINE F32x FromWords(const uint32_t* p) { return {_mm512_castsi512_ps(_mm512_loadu_si512(p))}; }
// Sixteen words of a bf16 pair each: `low` in bits 0-15.
HEW_INLINE void StoreBf16Pairs(uint32_t* p, F32x low, F32x high) {
  const __m512i lo = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low.v));
  const __m512i hi = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high.v));
  _mm512_storeu_si512(p, _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16)));
}
// acc + a.low * b.low + a.high * b.high on bf16 pairs, in the processor's fixed order.
HEW_INLINE F32x DotBf16(F32x acc, F32x a, F32x b) {
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)_mm512_castps_si512(a.v), (__m512bh)_mm512_castps_si512(b.v))};
}
HEW_INLINE float Sum(F32x a) { return Sum(_mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1))); }
HEW_INLINE float Highest(F32x a) {
  return Highest(_mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)));
}
// Two rows of bf16 values as words of a pair each.
HEW_INLINE void StorePairsOfBf16(uint32_t* p, const uint16_t* low, const uint16_t* high) {
  const __m512i lo = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)));
  const __m512i hi = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)));
  _mm512_storeu_si512(p, _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16)));
}
// Lane j of vector i and lane i of vector j change places.
HEW_INLINE void Transpose(F32x* x) {
  __m512 t[16], u[16];
  HEW_UNROLL
  for (int i = 0; i < 16; i += 2) {  // within quarters: rows in pairs
    t[i] = _mm512_unpacklo_ps(x[i].v, x[i + 1].v);
    t[i + 1] = _mm512_unpackhi_ps(x[i].v, x[i + 1].v);
  }
  HEW_UNROLL
  for (int i = 0; i < 16; i += 4) {  // rows in fours: u[i + c] holds lane c of each quarter
    u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  HEW_UNROLL
  for (int c = 0; c < 4; ++c) {  // quarters of four vectors, turned
    const __m512 a = _mm512_shuffle_f32x4(u[c], u[4 + c], 0x88), b = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(u[c], u[4 + c], 0xdd), e = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0xdd);
    x[c].v = _mm512_shuffle_f32x4(a, b, 0x88);
    x[8 + c].v = _mm512_shuffle_f32x4(a, b, 0xdd);
    x[4 + c].v = _mm512_shuffle_f32x4(d, e, 0x88);
    x[12 + c].v = _mm512_shuffle_f32x4(d, e, 0xdd);
  }
}

#elif defined(HEW_ISA_AVX2)

inline constexpr int kLanes = 8;
inline constexpr bool kHasBf16Dot = false;
struct F32x {
  __m256 v;
};
using Mask = __m256;

HEW_INLINE F32x Set(float a) { return {_mm256_set1_ps(a)}; }
HEW_INLINE F32x Load(const float* p) { return {_mm256_loadu_ps(p)}; }
HEW_INLINE void Store(float* p, F32x a) { _mm256_storeu_ps(p, a.v); }
HEW_INLINE F32x LoadBf16(const uint16_t* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
}
HEW_INLINE void StoreBf16(uint16_t* p, F32x a) {
  const __m256i u = _mm256_castps_si256(a.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  const __m256i h = _mm256_blendv_epi8(rounded, quiet, nan);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}
HEW_INLINE F32x operator+(F32x a, F32x b) { return {_mm256_add_ps(a.v, b.v)}; }
HEW_INLINE F32x operator-(F32x a, F32x b) { return {_mm256_sub_ps(a.v, b.v)}; }
HEW_INLINE F32x operator*(F32x a, F32x b) { return {_mm256_mul_ps(a.v, b.v)}; }
HEW_INLINE F32x operator/(F32x a, F32x b) { return {_mm256_div_ps(a.v, b.v)}; }
HEW_INLINE F32x Fma(F32x a, F32x b, F32x c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
HEW_INLINE F32x Max(F32x a, F32x b) { return {_mm256_max_ps(a.v, b.v)}; }
HEW_INLINE F32x Min(F32x a, F32x b) { return {_mm256_min_ps(a.v, b.v)}; }
HEW_INLINE F32x Sqrt(F32x a) { return {_mm256_sqrt_ps(a.v)}; }
HEW_INLINE F32x Round(F32x a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
HEW_INLINE Mask Less(F32x a, F32x b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ); }
HEW_INLINE F32x Select(Mask m, F32x yes, F32x no) { return {_mm256_blendv_ps(no.v, yes.v, m)}; }
HEW_INLINE __m256 PowerOf2(__m256i n) {  // n in -126 .. 127
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
HEW_INLINE F32x ScaleByPowerOf2(F32x a, F32x n) {  // in two steps, so that n = 128 and subnormal results are reached
  const __m256i whole = _mm256_cvtps_epi32(n.v), half = _mm256_srai_epi32(whole, 1);
  return {_mm256_mul_ps(_mm256_mul_ps(a.v, PowerOf2(half)), PowerOf2(_mm256_sub_epi32(whole, half)))};
}
HEW_INLINE F32x Iota() { return {_mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7)}; }
HEW_INLINE F32x FromWords(const uint32_t* p) {
  return {_mm256_castsi256_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
HEW_INLINE float Sum(F32x a) { return Sum(a.v); }
HEW_INLINE float Highest(F32x a) { return Highest(a.v); }
// Lane j of vector i and lane i of vector j change places.
HEW_INLINE void Transpose(F32x* x) {
  __m256 t[8], u[8];
  HEW_UNROLL
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(x[i].v, x[i + 1].v);
    t[i + 1] = _mm256_unpackhi_ps(x[i].v, x[i + 1].v);
  }
  HEW_UNROLL
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  HEW_UNROLL
  for (int c = 0; c < 4; ++c) {
    x[c].v = _mm256_permute2f128_ps(u[c], u[4 + c], 0x20);
    x[4 + c].v = _mm256_permute2f128_ps(u[c], u[4 + c], 0x31);
  }
}

#else

inline constexpr int kLanes = 1;
inline constexpr bool kHasBf16Dot = false;
struct F32x {
  float v;
};
using Mask = bool;

HEW_INLINE uint32_t BitsOf(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  return u;
}
HEW_INLINE float FloatOf(uint32_t u) {
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}
HEW_INLINE F32x Set(float a) { return {a}; }
HEW_INLINE F32x Load(const float* p) { return {*p}; }
HEW_INLINE void Store(float* p, F32x a) { *p = a.v; }
HEW_INLINE F32x LoadBf16(const uint16_t* p) { return {FloatOf(static_cast<uint32_t>(*p) << 16)}; }
HEW_INLINE void StoreBf16(uint16_t* p, F32x a) {
  const uint32_t u = BitsOf(a.v);
  const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
  *p = static_cast<uint16_t>(nan ? (u >> 16) | 0x40 : (u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}
HEW_INLINE F32x operator+(F32x a, F32x b) { return {a.v + b.v}; }
HEW_INLINE F32x operator-(F32x a, F32x b) { return {a.v - b.v}; }
HEW_INLINE F32x operator*(F32x a, F32x b) { return {a.v * b.v}; }
HEW_INLINE F32x operator/(F32x a, F32x b) { return {a.v / b.v}; }
// Rounded twice: without the instruction a fused multiply-add is a slow library call.
HEW_INLINE F32x Fma(F32x a, F32x b, F32x c) { return {a.v * b.v + c.v}; }
HEW_INLINE F32x Max(F32x a, F32x b) { return {a.v > b.v ? a.v : b.v}; }
HEW_INLINE F32x Min(F32x a, F32x b) { return {a.v < b.v ? a.v : b.v}; }
HEW_INLINE F32x Sqrt(F32x a) { return {__builtin_sqrtf(a.v)}; }
HEW_INLINE F32x Round(F32x a) {   // by pushing the fraction out; |a| < 2^22 wherever this is called
  const float big = 12582912.0f;  // 1.5 * 2^23
  const volatile float pushed = a.v + big;
  return {pushed - big};
}
HEW_INLINE Mask Less(F32x a, F32x b) { return a.v < b.v; }
HEW_INLINE F32x Select(Mask m, F32x yes, F32x no) { return m ? yes : no; }
HEW_INLINE F32x ScaleByPowerOf2(F32x a, F32x n) {
  if (!(n.v >= -252 && n.v <= 254)) return a;  // the caller replaces this lane
  const int whole = static_cast<int>(n.v), half = whole >> 1;
  return {a.v * FloatOf(static_cast<uint32_t>(half + 127) << 23) *
          FloatOf(static_cast<uint32_t>(whole - half + 127) << 23)};
}
HEW_INLINE F32x Iota() { return {0}; }
HEW_INLINE F32x FromWords(const uint32_t* p) { return {FloatOf(*p)}; }
HEW_INLINE float Sum(F32x a) { return a.v; }
HEW_INLINE float Highest(F32x a) { return a.v; }
HEW_INLINE void Transpose(F32x*) {}

#endif

// n < kLanes values, zero beyond them.
HEW_INLINE F32x LoadPart(const float* p, int64_t n) {
  float t[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) t[i] = p[i];
  return Load(t);
}
HEW_INLINE void StorePart(float* p, F32x a, int64_t n) {
  float t[kLanes];
  Store(t, a);
  for (int64_t i = 0; i < n; ++i) p[i] = t[i];
}
HEW_INLINE F32x LoadBf16Part(const uint16_t* p, int64_t n) {
  uint16_t t[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) t[i] = p[i];
  return LoadBf16(t);
}
HEW_INLINE void StoreBf16Part(uint16_t* p, F32x a, int64_t n) {
  uint16_t t[kLanes];
  StoreBf16(t, a);
  for (int64_t i = 0; i < n; ++i) p[i] = t[i];
}

// Values of a row as fp32 vectors. The branch on the type goes the same way for a whole row.
HEW_INLINE F32x Read(ConstRow row, int64_t i, int64_t n = kLanes) {
  if (row.bf16) {
    const uint16_t* p = static_cast<const uint16_t*>(row.p) + i;
    return n >= kLanes ? LoadBf16(p) : LoadBf16Part(p, n);
  }
  const float* p = static_cast<const float*>(row.p) + i;
  return n >= kLanes ? Load(p) : LoadPart(p, n);
}
HEW_INLINE void Write(Row row, int64_t i, F32x a, int64_t n = kLanes) {
  if (row.bf16) {
    uint16_t* p = static_cast<uint16_t*>(row.p) + i;
    n >= kLanes ? StoreBf16(p, a) : StoreBf16Part(p, a, n);
  } else {
    float* p = static_cast<float*>(row.p) + i;
    n >= kLanes ? Store(p, a) : StorePart(p, a, n);
  }
}

}  // namespace hew::HEW_SIMD
