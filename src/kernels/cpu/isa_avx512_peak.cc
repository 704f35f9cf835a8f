#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/peak_loops.h"

namespace hew::avx512 {
namespace {

double Fp32(int64_t iterations) {
  __m512 a = _mm512_set1_ps(0.5f);
  asm volatile("" : "+v"(a));
  HEW_PEAK_LOOP(__m512, _mm512_setzero_ps(), "+v", _mm512_fmadd_ps(c[i], a, a))
  return static_cast<double>(iterations) * 12 * 16 * 2;
}

double Bf16(int64_t iterations) {
  __m512 a = _mm512_set1_ps(0.5f);
  asm volatile("" : "+v"(a));
  HEW_PEAK_LOOP(__m512, _mm512_setzero_ps(), "+v",
                _mm512_dpbf16_ps(c[i], (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(a)))
  return static_cast<double>(iterations) * 12 * 32 * 2;
}

double Int8(int64_t iterations) {
  __m512i a = _mm512_set1_epi8(3);
  asm volatile("" : "+v"(a));
  HEW_PEAK_LOOP(__m512i, _mm512_setzero_si512(), "+v", _mm512_dpbusd_epi32(c[i], a, a))
  return static_cast<double>(iterations) * 12 * 64 * 2;
}

uint64_t Read(const void* data, int64_t bytes) {
  __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  const char* p = static_cast<const char*>(data);
  for (int64_t n = 0; n < bytes / 256; ++n, p += 256) {
    for (int i = 0; i < 4; ++i) sum[i] = _mm512_xor_si512(sum[i], _mm512_loadu_si512(p + 64 * i));
  }
  return static_cast<uint64_t>(
      _mm512_reduce_add_epi64(_mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]))));
}

}  // namespace

extern const PeakLoops kPeakLoops = {Fp32, Bf16, Int8, Read};

}  // namespace hew::avx512
#endif
