#include "kernels/cpu/peak_loops.h"

namespace hew::scalar {
namespace {

double Fp32(int64_t iterations) {
  const float a = 0.5f, b = 1.0f;
  float c[12] = {};
  for (int64_t n = 0; n < iterations; ++n) {
    for (float& v : c) v = v * a + b;
  }
  volatile float sink = 0;
  for (float v : c) sink = sink + v;
  return static_cast<double>(iterations) * 12 * 2;
}

uint64_t Read(const void* data, int64_t bytes) {
  uint64_t sum = 0;
  for (int64_t at = 0; at < bytes; at += 8) {
    uint64_t v;
    __builtin_memcpy(&v, static_cast<const char*>(data) + at, 8);
    sum += v;
  }
  return sum;
}

}  // namespace

extern const PeakLoops kPeakLoops = {Fp32, nullptr, nullptr, Read};

}  // namespace hew::scalar
