// Rows that are kept: no loss at the start, a gradient that is that of the loss, and less moved after a run than
// without.
#include "train/keep.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/lora.h"
#include "train/packer.h"
#include "train/test_support.h"
#include "train/tune.h"

namespace hew {
namespace {

class Keep : public testing::Test {
 protected:
  Keep() : pool_(2), rt_{&pool_, BestIsa(), Precision::kFp32}, model_(TinyModel(rt_)) {
    LoraConfig config;
    config.rank = 4;
    adapter_ = std::move(*LoraAdapter::Create(rt_, config, *model_, 1));
    Random random{5, 5, 0};
    for (size_t e = 0; e < 6; ++e) {
      TrainingExample example;
      for (int32_t i = 0; i < 12; ++i) example.ids.push_back(40 + i);  // a prefix to share
      for (size_t i = 0; i < 5 + e; ++i) example.ids.push_back(static_cast<int32_t>(random.Below(250)));
      example.weights.assign(example.ids.size(), 0.0f);
      for (size_t i = 12; i < example.ids.size(); ++i) example.weights[i] = i % 2 == 0 ? 1.0f : 0.5f;
      data_.examples.push_back(std::move(example));
    }
  }

  std::vector<PackedBatch> Batches() const {
    std::vector<int64_t> all(data_.examples.size());
    std::iota(all.begin(), all.end(), 0);
    return Pack(data_.examples, all, {.micro_tokens = 64});
  }

  double LossNow() {
    adapter_.Pack(rt_, *model_);
    double loss = 0;
    std::vector<float> losses;
    for (const auto& batch : Batches()) {
      Loss(rt_, *model_, &adapter_, batch, &losses);
      loss += LossWithKept(data_, batch, losses, {}).loss;
    }
    return loss;
  }

  // Every other example is kept, as the model says it now.
  void KeepEveryOther() {
    Dataset kept;
    for (size_t i = 1; i < data_.examples.size(); i += 2) kept.examples.push_back(data_.examples[i]);
    MeasureKept(rt_, *model_, &adapter_, 64, &kept);
    for (size_t i = 0; i < kept.examples.size(); ++i) data_.examples[2 * i + 1] = kept.examples[i];
  }

  const ThreadPool pool_;
  const Runtime rt_;
  const std::shared_ptr<const Model> model_;
  LoraAdapter adapter_;
  Dataset data_;
};

TEST_F(Keep, WhatHasNotMovedCostsNothing) {
  MeasureKept(rt_, *model_, &adapter_, 64, &data_);
  EXPECT_EQ(LossNow(), 0);
  Random random{6, 6, 0};
  for (auto& p : adapter_.parameters) p += 0.05f * random.Normal();
  EXPECT_GT(LossNow(), 1e-4);
}

TEST_F(Keep, TheGradientIsThatOfTheLoss) {
  KeepEveryOther();
  Random random{6, 6, 0};
  for (auto& p : adapter_.parameters) p += 0.05f * random.Normal();
  adapter_.Pack(rt_, *model_);
  std::vector<float> gradient(adapter_.parameters.size());
  for (const auto& batch : Batches()) {
    LossAndGradients(rt_, *model_, adapter_, batch, {}, 1, gradient, nullptr,
                     [&](std::span<const float> losses, std::span<float> weights) {
                       return LossWithKept(data_, batch, losses, weights);
                     });
  }
  for (size_t i = 3; i < gradient.size(); i += gradient.size() / 40) {
    constexpr float kStep = 1e-2f;
    const float at = adapter_.parameters[i];
    adapter_.parameters[i] = at + kStep;
    const double above = LossNow();
    adapter_.parameters[i] = at - kStep;
    const double below = LossNow();
    adapter_.parameters[i] = at;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 2e-3 + 0.02 * std::abs(gradient[i])) << i;
  }
}

// Mean |log p - log p at the start| of the kept text's tokens after a run with `keep` or without.
TEST(KeepInTune, TextStaysAsLikelyWhileRowsAreLearned) {
  const std::string folder = TestFolder("keep");
  std::string rows;
  for (int i = 0; i < 12; ++i)
    rows += fmt::format("{{\"prompt\": \"row {}?\", \"completion\": \"answer {}\"}}\n", i, i % 5);
  TuneRequest request;
  request.settings.base = "tiny";
  request.settings.data = {WriteTestFile(folder, "train.jsonl", rows)};
  const std::string text =
      WriteTestFile(folder, "kept.jsonl", "{\"text\": \"rows of other things, answered before\"}\n");
  request.settings.lr = 1e-2;
  request.settings.epochs = 10;
  request.quiet = true;
  request.tokenizer = std::make_shared<ByteTokenizer>();
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kDefault};
  request.model = TinyModel(rt);
  Dataset kept;
  kept.examples.emplace_back();
  kept.examples[0].ids = request.tokenizer->Encode("rows of other things, answered before");
  kept.examples[0].weights.assign(kept.examples[0].ids.size(), 1.0f);
  kept.examples[0].weights[0] = 0;
  const auto measure = [&](const LoraAdapter* adapter) {
    MeasureKept(rt, *request.model, adapter, 64, &kept);
    return kept.examples[0].kept;
  };
  const auto start = measure(nullptr);
  double moved[2] = {}, loss[2] = {};
  for (const bool keeps : {false, true}) {
    request.settings.out = folder + (keeps ? "/keeps" : "/forgets");
    request.settings.keep = keeps ? std::vector<std::string>{text} : std::vector<std::string>{};
    const auto report = Tune(rt, request);
    ASSERT_TRUE(report) << report.error().message;
    const auto adapter = LoadAdapter(rt, request.settings.out, *request.model);
    ASSERT_TRUE(adapter) << adapter.error().message;
    const auto now = measure(&*adapter);
    for (size_t i = 1; i < now.size(); ++i)
      moved[keeps] += std::abs(now[i] - start[i]) / static_cast<double>(now.size() - 1);
    loss[keeps] = report->train_loss;
  }
  EXPECT_LT(moved[true], 0.5 * moved[false]) << moved[true] << " " << moved[false];
  EXPECT_LT(loss[true], 4.0) << loss[false];  // and something is learned: 5.6 nats at the start
  request.settings.out = folder + "/pairs";
  request.settings.method = "dpo";
  const auto refused = Tune(rt, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "keep: expected method sft beside it, found dpo");
}

}  // namespace
}  // namespace hew
