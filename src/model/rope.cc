#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hew {
namespace {

// The dimension that turns `rotations` times over the context that was learned. (Peng et al. 2023, YaRN, section 3.2)
double DimensionOf(const RopeConfig& rope, int64_t rotary_dim, double rotations) {
  return static_cast<double>(rotary_dim) *
         std::log(static_cast<double>(rope.original_positions) / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.theta));
}

// YaRN: slow dimensions are stretched, fast ones left, a ramp between the two.
std::vector<double> YarnDivisors(const RopeConfig& rope, int64_t rotary_dim) {
  double low = DimensionOf(rope, rotary_dim, rope.beta_fast), high = DimensionOf(rope, rotary_dim, rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rotary_dim - 1));
  if (low == high) high += 0.001;
  std::vector<double> divisors;
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    const double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    divisors.push_back(1 / (stretched / rope.factor + (1 - stretched)));
  }
  return divisors;
}

double MagnitudeOf(const RopeConfig& rope) {
  if (rope.attention_factor > 0) return rope.attention_factor;
  if (rope.scaling == RopeScaling::kYarn) return rope.factor > 1 ? 0.1 * std::log(rope.factor) + 1 : 1;
  if (rope.scaling == RopeScaling::kLongRope && rope.factor > 1) {
    return std::sqrt(1 + std::log(rope.factor) / std::log(static_cast<double>(rope.original_positions)));
  }
  return 1;
}

std::vector<double> DivisorsOf(const RopeConfig& rope, int64_t rotary_dim, bool long_sequence) {
  if (long_sequence && !rope.long_divisors.empty()) return rope.long_divisors;
  if (!rope.divisors.empty()) return rope.divisors;
  switch (rope.scaling) {
    case RopeScaling::kLinear:
      return std::vector<double>(static_cast<size_t>(rotary_dim / 2), rope.factor);
    case RopeScaling::kLlama3:
      return Llama3Divisors(rope, rotary_dim);
    case RopeScaling::kYarn:
      return YarnDivisors(rope, rotary_dim);
    case RopeScaling::kNone:
    case RopeScaling::kLongRope:
      break;
  }
  return std::vector<double>(static_cast<size_t>(rotary_dim / 2), 1.0);
}

}  // namespace

std::vector<double> Llama3Divisors(const RopeConfig& rope, int64_t rotary_dim) {
  std::vector<double> divisors;
  const auto original = static_cast<double>(rope.original_positions);
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    const double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim));
    const double turns = original * frequency / (2 * std::numbers::pi);  // over the context that was learned
    if (turns > rope.high_freq_factor) {
      divisors.push_back(1);
    } else if (turns < rope.low_freq_factor) {
      divisors.push_back(rope.factor);
    } else {
      const double kept = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
      divisors.push_back(1 / ((1 - kept) / rope.factor + kept));
    }
  }
  return divisors;
}

RopeFrequencies FrequenciesOf(const RopeConfig& rope, int64_t rotary_dim, bool long_sequence) {
  RopeFrequencies result;
  const std::vector<double> divisors = DivisorsOf(rope, rotary_dim, long_sequence);
  for (int64_t i = 0; i < rotary_dim / 2; ++i) {
    result.radians.push_back(std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim)) /
                             divisors[static_cast<size_t>(i)]);
  }
  result.magnitude = MagnitudeOf(rope);
  return result;
}

int64_t RopeTableBytes(const ModelConfig& config, const RopeConfig& rope) {
  const int64_t blocks = rope.long_divisors.empty() ? 1 : 2;
  return 2 * blocks * config.max_position_embeddings * (config.rotary_dim / 2) * static_cast<int64_t>(sizeof(float));
}

RopeTable MakeRopeTable(const ThreadPool& pool, const ModelConfig& config, const RopeConfig& rope) {
  const int64_t half = config.rotary_dim / 2, positions = config.max_position_embeddings;
  const int64_t blocks = rope.long_divisors.empty() ? 1 : 2;
  RopeTable table;
  table.positions = blocks * positions;
  table.half = half;
  table.cos.resize(static_cast<size_t>(table.positions * half));
  table.sin.resize(table.cos.size());
  for (int64_t block = 0; block < blocks; ++block) {
    const RopeFrequencies frequencies = FrequenciesOf(rope, config.rotary_dim, block == 1);
    pool.ParallelFor(positions, 64, [&](int64_t begin, int64_t end) {
      for (int64_t position = begin; position < end; ++position) {
        for (int64_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(position) * frequencies.radians[static_cast<size_t>(i)];
          const auto at = static_cast<size_t>((block * positions + position) * half + i);
          table.cos[at] = static_cast<float>(frequencies.magnitude * std::cos(angle));
          table.sin[at] = static_cast<float>(frequencies.magnitude * std::sin(angle));
        }
      }
    });
  }
  return table;
}

bool IsLongSequence(const ModelConfig& config, int64_t length) {
  return std::any_of(config.ropes.begin(), config.ropes.end(), [&](const RopeConfig& rope) {
    return !rope.long_divisors.empty() && length > rope.original_positions;
  });
}

}  // namespace hew
