// Loops that do nothing but one kind of instruction, to measure the machine. Plain pointers only.
#pragma once

#include <stdint.h>

namespace hew {

struct PeakLoops {
  // Each runs `iterations` times over its chains and returns the operations done; null where the set lacks the kind.
  double (*fp32)(int64_t iterations);
  double (*bf16)(int64_t iterations);
  double (*int8)(int64_t iterations);
  // Reads bytes (a multiple of 256) and returns something that depends on them all.
  uint64_t (*read)(const void* data, int64_t bytes);
};

namespace scalar { extern const PeakLoops kPeakLoops; }
namespace avx2 { extern const PeakLoops kPeakLoops; }
namespace avx512 { extern const PeakLoops kPeakLoops; }

// Twelve independent chains hide the latency of every instruction measured here. The empty assembly keeps the compiler from
// seeing through the values.
#define HEW_PEAK_LOOP(Type, zero, constraint, operation)                                   \
  Type c[12];                                                                              \
  _Pragma("GCC unroll 12") for (int i = 0; i < 12; ++i) c[i] = (zero);                     \
  for (int64_t n = 0; n < iterations; ++n) {                                               \
    _Pragma("GCC unroll 12") for (int i = 0; i < 12; ++i) {                                \
      c[i] = (operation);                                                                  \
      asm volatile("" : constraint(c[i]));                                                 \
    }                                                                                      \
  }

}  // namespace hew
