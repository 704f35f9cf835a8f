#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/peak_loops.h"

namespace hew::avx2 {
namespace {

double Fp32(int64_t iterations) {
  __m256 a = _mm256_set1_ps(0.5f);
  asm volatile("" : "+x"(a));
  HEW_PEAK_LOOP(__m256, _mm256_setzero_ps(), "+x", _mm256_fmadd_ps(c[i], a, a))
  return static_cast<double>(iterations) * 12 * 8 * 2;
}

double Int8(int64_t iterations) {
  __m256i a = _mm256_set1_epi8(3), one = _mm256_set1_epi16(1);
  asm volatile("" : "+x"(a), "+x"(one));
  HEW_PEAK_LOOP(__m256i, _mm256_setzero_si256(), "+x",
                _mm256_add_epi32(c[i], _mm256_madd_epi16(_mm256_maddubs_epi16(c[i], a), one)))
  return static_cast<double>(iterations) * 12 * 32 * 2;
}

uint64_t Read(const void* data, int64_t bytes) {
  __m256i sum[4] = {};
  const __m256i* p = static_cast<const __m256i*>(data);
  for (int64_t n = 0; n < bytes / 128; ++n, p += 4) {
    for (int i = 0; i < 4; ++i) sum[i] = _mm256_xor_si256(sum[i], _mm256_loadu_si256(p + i));
  }
  sum[0] = _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm256_extract_epi64(sum[0], 0) ^ _mm256_extract_epi64(sum[0], 1) ^
                               _mm256_extract_epi64(sum[0], 2) ^ _mm256_extract_epi64(sum[0], 3));
}

}  // namespace

extern const PeakLoops kPeakLoops = {Fp32, nullptr, Int8, Read};

}  // namespace hew::avx2
#endif
