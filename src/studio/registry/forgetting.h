// How far a version has moved from another on what it was not trained for, and what it costs to run.
#pragma once

#include <string>
#include <vector>

#include "infer/generator.h"

namespace hew {

// A dozen plain sentences of many topics, English and Korean.
std::vector<std::string> BaseTexts();

struct Drift {
  int64_t tokens = 0;
  double before_perplexity = 0, after_perplexity = 0;
  double kl = 0;  // mean over tokens of KL(before || after), nats
  double ratio() const { return after_perplexity / before_perplexity; }
};
// Over texts of at most 512 tokens each, longer ones cut. Both engines have one vocabulary.
Result<Drift> MeasureDrift(const Engine& before, const Engine& after, const std::vector<std::string>& texts);

// Tokens per second of generation, of the later over the earlier: the median of pairs measured in turn, so that what
// else the machine does falls on both.
double SpeedRatio(const Engine& before, const Engine& after);

int64_t MemoryBytes(const Engine& engine);  // weights and adapters

}  // namespace hew
