#include "studio/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/decoder.h"

namespace hew {
namespace {

using testing::HasSubstr;

Plan Of(const PlanPreset& preset) {
  PlanRequest request;
  request.name = preset.name;
  request.shape = preset.shape;
  request.tokens = preset.tokens;
  request.published = preset.published;
  request.device = *FindDevice(preset.device.empty() ? "h100" : preset.device);
  request.devices = preset.devices;
  if (preset.utilization > 0) request.device.utilization = preset.utilization;
  if (preset.price_per_hour > 0) request.device.price_per_hour = preset.price_per_hour;
  auto plan = MakePlan(request);
  EXPECT_TRUE(plan) << plan.error().message;
  return *plan;
}

TEST(Plan, ReproducesWhatWasPublished) {
  int figures = 0;
  for (const PlanPreset& preset : PlanPresets()) {
    const Plan plan = Of(preset);
    for (const auto& figure : preset.published) {
      const auto planned = PlannedFigure(plan, figure.what);
      ASSERT_TRUE(planned) << figure.what;
      EXPECT_NEAR(*planned / figure.value, 1, 0.15) << preset.name << ": " << figure.what;
      ++figures;
    }
  }
  EXPECT_GE(figures, 18);
}

TEST(Plan, CountsParametersExactly) {
  const auto count = [](const char* name) { return CountParameters(FindPreset(name)->shape).total(); };
  EXPECT_EQ(count("gpt2-124m"), 124439808);
  EXPECT_EQ(count("gpt2-1.5b"), 1557611200);
  EXPECT_EQ(count("llama2-7b"), 6738415616);
  EXPECT_EQ(count("llama2-13b"), 13015864320);
  EXPECT_EQ(count("llama2-70b"), 68976648192);
  EXPECT_EQ(count("llama3-8b"), 8030261248);
  EXPECT_EQ(count("smollm2-135m"), 134515008);
}

TEST(Plan, ThreeHundredFiftyFiveYears) {
  const Plan plan = Of(*FindPreset("gpt3-175b"));
  EXPECT_NEAR(plan.flops, 3.14e23, 0.01 * 3.14e23);
  EXPECT_NEAR(plan.seconds / (365.25 * 86400), 355, 0.01 * 355);
  EXPECT_NEAR(plan.cost, 4.6e6, 0.05 * 4.6e6);
  EXPECT_THAT(ToText(plan), HasSubstr("published"));
}

TEST(Plan, MemoryOfFullTraining) {
  const Plan plan = Of(*FindPreset("llama2-7b"));
  // 16 bytes a parameter: Rajbhandari et al. 2020.
  EXPECT_DOUBLE_EQ(plan.memory.weights + plan.memory.gradients + plan.memory.optimizer, 16.0 * 6738415616);
  EXPECT_GT(plan.memory.activations, 0);
  EXPECT_EQ(plan.memory.logits, 2048.0 * 32000 * 4);
}

TEST(Plan, LoraIsTheTrainersOwnArithmetic) {
  ModelConfig config;
  config.vocab_size = 49152;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_hidden_layers = 30;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.tie_word_embeddings = true;
  config.layers.resize(30);
  PlanRequest request;
  request.name = "smollm2";
  request.shape = ShapeOf(config);
  request.tokens = 1000;
  request.lora = true;
  request.device = *FindDevice("a100");
  const Plan plan = *MakePlan(request);
  EXPECT_EQ(plan.request.parameters, 134515008);
  EXPECT_EQ(plan.trained_parameters, 16 * 30 * (2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536)));
  EXPECT_NEAR(plan.flops / (1000 * TrainingFlopsPerRow(config, LoraConfig(), 1)), 1, 0.05);
  EXPECT_EQ(plan.memory.gradients, 4 * plan.trained_parameters);
}

TEST(Plan, LossLaw) {
  // Chinchilla itself: 70B and 1.4T tokens; the law's value by hand.
  EXPECT_NEAR(ExpectedLoss(70e9, 1.4e12), 1.69 + 406.4 / std::pow(70e9, 0.34) + 410.7 / std::pow(1.4e12, 0.28), 1e-12);
  PlanRequest request;
  request.parameters = 1e9;
  request.tokens = 5e9;
  request.device = *FindDevice("a100");
  const Plan plan = *MakePlan(request);
  EXPECT_EQ(plan.loss.tokens_enough, 20e9);
  EXPECT_NEAR(plan.loss.best_parameters * plan.loss.best_tokens / 5e18, 1, 1e-9);
  for (double factor : {0.8, 1.25}) {  // no other division of the same arithmetic is better
    EXPECT_GT(ExpectedLoss(plan.loss.best_parameters * factor, plan.loss.best_tokens / factor), plan.loss.best_loss);
  }
  EXPECT_LE(plan.loss.best_loss, plan.loss.expected);
}

TEST(Plan, RefusesWhatCannotBe) {
  PlanRequest request;
  request.parameters = 1e9;
  request.device = *FindDevice("a100");
  EXPECT_THAT(MakePlan(request).error().message, HasSubstr("tokens: expected a number above 0"));
  request.tokens = 1e9;
  EXPECT_TRUE(MakePlan(request));
  request.lora = true;
  EXPECT_THAT(MakePlan(request).error().message, HasSubstr("lora: "));
  request.lora = false;
  request.device.utilization = 1.5;
  EXPECT_THAT(MakePlan(request).error().message, HasSubstr("utilization"));
}

}  // namespace
}  // namespace hew
