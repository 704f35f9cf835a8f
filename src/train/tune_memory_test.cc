#include "train/tune_memory.h"

#include <gtest/gtest.h>

namespace hew {
namespace {

// An example of `size` tokens of which the last is learned: it takes all rows but that one's.
TrainingExample Example(int64_t size) {
  TrainingExample example;
  example.ids.assign(static_cast<size_t>(size), 1);
  example.weights.assign(static_cast<size_t>(size), 0.0f);
  example.weights.back() = 1;
  return example;
}

TEST(TuneMemory, TheLargestStepHasTheLongestExamples) {
  Dataset data;
  for (const int64_t size : {5, 101, 31, 11}) data.examples.push_back(Example(size));
  data.counts.longest = 101;
  StepPlan steps;
  steps.examples_per_step = 2;
  EXPECT_EQ(MostRowsOfStep(data, steps), 100 + 30);
  steps.examples_per_step = 9;
  EXPECT_EQ(MostRowsOfStep(data, steps), 4 + 100 + 30 + 10);
  steps.tokens_per_step = 64;
  EXPECT_EQ(MostRowsOfStep(data, steps), 101);
  steps.tokens_per_step = 500;
  EXPECT_EQ(MostRowsOfStep(data, steps), 500);
}

}  // namespace
}  // namespace hew
