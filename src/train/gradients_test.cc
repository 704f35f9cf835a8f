// What a step learns must not depend on how its rows lie in memory: one batch or many, a prefix shared or repeated.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/decoder.h"
#include "train/packer.h"
#include "train/test_support.h"

namespace hew {
namespace {

struct Outcome {
  double loss = 0;
  std::vector<float> gradient;
  int64_t rows = 0;
};

class StepGradients : public testing::Test {
 protected:
  StepGradients() : pool_(2), rt_{&pool_, BestIsa(), Precision::kFp32}, model_(TinyModel(rt_)) {
    LoraConfig config;
    config.rank = 4;
    config.alpha = 8;
    adapter_ = std::move(*LoraAdapter::Create(rt_, config, *model_, 1));
    Random random{5, 5, 0};
    for (auto& p : adapter_.parameters) p += 0.05f * random.Normal();  // B is zero at first and would hide A
    adapter_.Pack(rt_, *model_);
    for (int64_t e = 0; e < 8; ++e) {
      TrainingExample example;
      for (int32_t i = 0; i < 24; ++i) example.ids.push_back(40 + i);
      const int64_t own = 3 + 5 * e;
      for (int64_t i = 0; i < own; ++i) example.ids.push_back(static_cast<int32_t>(random.Below(250)));
      example.weights.assign(example.ids.size(), 0.0f);
      // Rows with one learned token and rows with many: a mean of means would weigh them wrongly.
      for (int64_t i = 0; i < 1 + 3 * e; ++i)
        example.weights[example.ids.size() - 1 - static_cast<size_t>(i)] = i == 1 ? 0.5f : 1.0f;
      examples_.push_back(std::move(example));
    }
  }

  Outcome Compute(const PackOptions& options) const {
    std::vector<int64_t> all(examples_.size());
    std::iota(all.begin(), all.end(), 0);
    double weight = 0;
    for (const auto& e : examples_) weight += e.weight();
    Outcome outcome;
    outcome.gradient.resize(adapter_.parameters.size());
    for (const auto& batch : Pack(examples_, all, options)) {
      outcome.loss +=
          LossAndGradients(rt_, *model_, adapter_, batch, {}, static_cast<float>(1 / weight), outcome.gradient).loss /
          weight;
      outcome.rows += static_cast<int64_t>(batch.ids.size());
    }
    return outcome;
  }

  static void ExpectNear(const Outcome& a, const Outcome& b) {
    EXPECT_NEAR(a.loss, b.loss, 1e-5 * a.loss);
    double norm = 0, difference = 0;
    for (size_t i = 0; i < a.gradient.size(); ++i) {
      norm += std::pow(a.gradient[i], 2);
      difference += std::pow(a.gradient[i] - b.gradient[i], 2);
    }
    EXPECT_GT(norm, 1e-6);
    EXPECT_LT(std::sqrt(difference / norm), 1e-4);
  }

  ThreadPool pool_;
  Runtime rt_;
  std::shared_ptr<const Model> model_;
  LoraAdapter adapter_;
  std::vector<TrainingExample> examples_;
};

TEST_F(StepGradients, OneBatchOfEightEqualsEightOfOne) {
  const Outcome one = Compute({4096, false}), eight = Compute({1, false});
  EXPECT_EQ(one.rows, eight.rows);
  ExpectNear(one, eight);
}

TEST_F(StepGradients, ASharedPrefixGivesTheSameLossWithFewerRows) {
  const Outcome repeated = Compute({4096, false}), shared = Compute({4096, true});
  EXPECT_EQ(repeated.rows - shared.rows, 7 * 24);
  ExpectNear(repeated, shared);
}

}  // namespace
}  // namespace hew
