#include "infer/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <rapidcheck/gtest.h>

namespace hew {
namespace {

SamplingSettings Plain(float temperature) {
  SamplingSettings s;
  s.temperature = temperature;
  s.top_k = 0;
  s.top_p = 1;
  s.min_p = 0;
  return s;
}

std::map<int32_t, double> Frequencies(const SamplingSettings& settings, const std::vector<float>& logits, int draws) {
  Sampler sampler(settings);
  std::map<int32_t, double> counts;
  for (int i = 0; i < draws; ++i) {
    std::vector<float> copy = logits;
    counts[sampler.Sample(copy, {})] += 1.0 / draws;
  }
  return counts;
}

const std::vector<float> kLogits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(Sampler(Plain(0)).Sample(logits, {}), 1);
}

TEST(Sampler, DrawsFollowTheDistribution) {
  const auto frequencies = Frequencies(Plain(1), kLogits, 20000);
  EXPECT_NEAR(frequencies.at(0), 0.5, 0.02);
  EXPECT_NEAR(frequencies.at(1), 0.3, 0.02);
  EXPECT_NEAR(frequencies.at(2), 0.15, 0.02);
  EXPECT_NEAR(frequencies.at(3), 0.05, 0.02);
}

TEST(Sampler, TemperatureSharpens) {
  const auto frequencies = Frequencies(Plain(0.5f), kLogits, 20000);
  EXPECT_NEAR(frequencies.at(0), 0.25 / (0.25 + 0.09 + 0.0225 + 0.0025), 0.02);  // squares, renormalised
}

TEST(Sampler, TopKTopPMinPCutTheTail) {
  auto settings = Plain(1);
  settings.top_k = 2;
  EXPECT_EQ(Frequencies(settings, kLogits, 2000).size(), 2u);
  settings = Plain(1);
  settings.top_p = 0.75f;  // 0.5 + 0.3 reaches it
  EXPECT_EQ(Frequencies(settings, kLogits, 2000).size(), 2u);
  settings = Plain(1);
  settings.min_p = 0.2f;  // at least 0.2 * 0.5
  EXPECT_EQ(Frequencies(settings, kLogits, 2000).size(), 3u);
}

TEST(Sampler, PenaltiesLowerWhatWasSaid) {
  auto settings = Plain(0);
  settings.repeat_penalty = 2;
  std::vector<float> logits = {4, 3, -1};
  const std::vector<int32_t> history = {0, 2};
  EXPECT_EQ(Sampler(settings).Sample(logits, history), 1);
  EXPECT_EQ(logits, (std::vector<float>{2, 3, -2}));

  settings = Plain(0);
  settings.frequency_penalty = 0.5f;
  settings.presence_penalty = 0.25f;
  logits = {4, 3, 1};
  const std::vector<int32_t> thrice = {0, 0, 0};
  Sampler(settings).Sample(logits, thrice);
  EXPECT_FLOAT_EQ(logits[0], 4 - 3 * 0.5f - 0.25f);

  settings.repeat_last_n = 1;
  logits = {4, 3, 1};
  const std::vector<int32_t> older = {0, 2};
  Sampler(settings).Sample(logits, older);
  EXPECT_FLOAT_EQ(logits[0], 4);  // too long ago
}

TEST(Sampler, RefusesNumbersThatAreNone) {
  auto settings = Plain(std::nanf(""));
  const auto status = CheckSettings(settings);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "temperature: expected a number from 0 to 100, found nan");
  settings = Plain(1);
  settings.top_k = -1;
  EXPECT_FALSE(CheckSettings(settings));
  EXPECT_TRUE(CheckSettings(SamplingSettings{}));
}

RC_GTEST_PROP(Sampler, SameSeedSameChoiceAndAlwaysInRange, (std::vector<int> raw, uint64_t seed)) {
  RC_PRE(!raw.empty());
  std::vector<float> logits(raw.begin(), raw.end());
  for (float& logit : logits) logit *= 0.01f;
  SamplingSettings settings;
  settings.seed = seed;
  std::vector<float> first = logits, second = logits;
  const int32_t id = Sampler(settings).Sample(first, {});
  RC_ASSERT(id >= 0 && id < static_cast<int32_t>(logits.size()));
  RC_ASSERT(id == Sampler(settings).Sample(second, {}));
}

}  // namespace
}  // namespace hew
