// Philox 4x32-10 (base/random.h) at kLanes neighbouring positions at once.
#pragma once

#include "kernels/cpu/simd.h"

namespace hew::HEW_SIMD {

#if defined(HEW_ISA_AVX512)
using U32x = __m512i;
HEW_INLINE U32x SetU32(uint32_t a) { return _mm512_set1_epi32(static_cast<int>(a)); }
HEW_INLINE U32x Xor(U32x a, U32x b, U32x c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
HEW_INLINE void StoreU32(uint32_t* p, U32x a) { _mm512_storeu_si512(p, a); }
// The two halves of a * m, m the same in all lanes.
HEW_INLINE void MultiplyWide(U32x a, U32x m, U32x* high, U32x* low) {
  const __m512i even = _mm512_mul_epu32(a, m), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m);
  *high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  *low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}
#elif defined(HEW_ISA_AVX2)
using U32x = __m256i;
HEW_INLINE U32x SetU32(uint32_t a) { return _mm256_set1_epi32(static_cast<int>(a)); }
HEW_INLINE U32x Xor(U32x a, U32x b, U32x c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
HEW_INLINE void StoreU32(uint32_t* p, U32x a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a); }
HEW_INLINE void MultiplyWide(U32x a, U32x m, U32x* high, U32x* low) {
  const __m256i even = _mm256_mul_epu32(a, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
  *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
#else
using U32x = uint32_t;
HEW_INLINE U32x SetU32(uint32_t a) { return a; }
HEW_INLINE U32x Xor(U32x a, U32x b, U32x c) { return a ^ b ^ c; }
HEW_INLINE void StoreU32(uint32_t* p, U32x a) { *p = a; }
HEW_INLINE void MultiplyWide(U32x a, U32x m, U32x* high, U32x* low) {
  const uint64_t product = static_cast<uint64_t>(a) * m;
  *high = static_cast<uint32_t>(product >> 32);
  *low = static_cast<uint32_t>(product);
}
#endif

// words[16 * w + i] is word w of the position first + i, for i < 16; first is a multiple of 16.
HEW_INLINE void PhiloxBlock(uint64_t seed, uint64_t stream, uint64_t first, uint32_t* words) {
  for (int lane = 0; lane < 16; lane += kLanes) {
    uint32_t positions[kLanes];
    for (int i = 0; i < kLanes; ++i) positions[i] = static_cast<uint32_t>(first) + static_cast<uint32_t>(lane + i);
    U32x x0, x1 = SetU32(static_cast<uint32_t>(first >> 32));
    __builtin_memcpy(&x0, positions, sizeof x0);
    U32x x2 = SetU32(static_cast<uint32_t>(stream)), x3 = SetU32(static_cast<uint32_t>(stream >> 32));
    uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      U32x high0, low0, high1, low1;
      MultiplyWide(x0, SetU32(0xD2511F53u), &high0, &low0);
      MultiplyWide(x2, SetU32(0xCD9E8D57u), &high1, &low1);
      x0 = Xor(high1, x1, SetU32(k0));
      x1 = low1;
      x2 = Xor(high0, x3, SetU32(k1));
      x3 = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    StoreU32(words + lane, x0);
    StoreU32(words + 16 + lane, x1);
    StoreU32(words + 32 + lane, x2);
    StoreU32(words + 48 + lane, x3);
  }
}

}  // namespace hew::HEW_SIMD
