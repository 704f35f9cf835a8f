// From logits to the next token, with the options and defaults that people know from llama.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace hew {

struct SamplingSettings {
  float temperature = 0.8f;  // 0: greedy and exact, ties to the lowest id
  int64_t top_k = 40;        // 0: off
  float top_p = 0.95f;       // 1: off
  float min_p = 0.05f;       // 0: off
  float repeat_penalty = 1.0f;
  int64_t repeat_last_n = 64;  // how far back penalties look; -1: everything
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint64_t seed = 0;
};

// Every number checked: "temperature: expected a number from 0 to 100, found nan".
Status CheckSettings(const SamplingSettings& settings);

class Sampler {
 public:
  explicit Sampler(const SamplingSettings& settings) : settings_(settings), random_{settings.seed, 0, 0} {}

  // logits [vocab_size], changed in place by the penalties (-infinity: never chosen; one at least is finite); history:
  // prompt and generated ids, oldest first. The order is penalties, top-k, top-p, min-p, temperature. Same seed, same
  // logits, same choices.
  int32_t Sample(std::span<float> logits, std::span<const int32_t> history);

 private:
  SamplingSettings settings_;
  Random random_;
};

int32_t ArgMax(std::span<const float> logits);  // the lowest id among equals

struct NextToken {
  int32_t id = 0;
  double logprob = 0;
};
// The k likeliest (or all), likeliest first, the lower id first among equals. `normalizer` is the logits' log-sum-exp.
std::vector<NextToken> TopTokens(std::span<const float> logits, float normalizer, int64_t k);

}  // namespace hew
