// How fast this machine is, measured, and how near to that Hew comes with a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/machine_peak.h"
#include "studio/open_model.h"

namespace hew {

struct BenchResult {
  std::string name;
  double value = 0;
  std::string unit;
  double limit = 0;  // of the machine, in the same unit; 0 when there is none
  double fraction() const { return limit > 0 ? value / limit : 0; }
};

struct BenchSettings {
  int64_t prompt_tokens = 512;
  int64_t generated_tokens = 64;
  int64_t train_rows = 512;  // packed tokens of one LoRA step, rank 16 on all linear layers, a third of them learned
  int repeats = 3;           // the best counts: other programs only ever take away
};

// Limits: prompts and training, multiply-adds over the measured bf16 (or fp32) rate; generation, bytes of weights read a
// token over the measured streaming read.
Result<std::vector<BenchResult>> BenchModel(const Runtime& rt, const std::string& path, const MachinePeak& peak, const BenchSettings& settings);

}  // namespace hew
