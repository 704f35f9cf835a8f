// Rotary positions: frequencies as each kind of scaling makes them, and the table of angles.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/ops.h"
#include "model/config.h"

namespace hew {

struct RopeFrequencies {
  std::vector<double> radians;  // per position, [rotary_dim / 2]
  double magnitude = 1;         // of cosines and sines
};
// `long_sequence`: of a sequence beyond original_positions, where that makes a difference.
RopeFrequencies FrequenciesOf(const RopeConfig& rope, int64_t rotary_dim, bool long_sequence);

// llama3's divisors, from its four numbers (config.json has these, a GGUF file the divisors).
std::vector<double> Llama3Divisors(const RopeConfig& rope, int64_t rotary_dim);

// Angles in double, for every position the config allows. With long divisors a second block of as many rows follows,
// for long sequences: position p of one is row positions + p (RopeRow).
RopeTable MakeRopeTable(const ThreadPool& pool, const ModelConfig& config, const RopeConfig& rope);
int64_t RopeTableBytes(const ModelConfig& config, const RopeConfig& rope);

// Whether a sequence that may grow to `length` tokens takes the long block.
bool IsLongSequence(const ModelConfig& config, int64_t length);

}  // namespace hew
