// What this machine can do at most, measured: the limit beside which every benchmark figure is printed.
#pragma once

#include "base/runtime.h"

namespace hew {

// Of all threads of the pool together. A kind that the instruction set lacks is 0.
struct MachinePeak {
  double fp32_gflops = 0;  // fused multiply-adds on registers, two operations each
  double bf16_gflops = 0;  // bf16 products with fp32 sums
  double int8_gops = 0;    // unsigned by signed bytes with 32-bit sums
  double read_gbps = 0;    // reading a buffer of four times the last cache, in units of 1e9 bytes
};

// Takes about a tenth of a second: a loop of 20 ms on registers per kind, and a few passes over the buffer.
MachinePeak MeasureMachine(const Runtime& rt);

// Only the products that training does in this numeric mode, in Gflop/s: bf16 where rt.bf16(), else fp32. Takes 20 ms and no memory,
// so that a run can be shown beside it.
double MeasureProductPeak(const Runtime& rt);

}  // namespace hew
