#include "train/packer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "base/random.h"

namespace hew {
namespace {

// A random example: often with a common beginning, learned tokens anywhere but first.
TrainingExample RandomExample(Random* random) {
  TrainingExample example;
  const auto prefix = static_cast<int32_t>(random->Below(3));  // which common beginning
  const int64_t shared = prefix == 0 ? 0 : 5 + 9 * prefix;
  const int64_t own = 2 + static_cast<int64_t>(random->Below(30));
  for (int64_t i = 0; i < shared; ++i) example.ids.push_back(prefix * 100 + static_cast<int32_t>(i));
  for (int64_t i = 0; i < own; ++i) example.ids.push_back(static_cast<int32_t>(random->Below(50)));
  example.weights.assign(example.ids.size(), 0.0f);
  const bool early = random->Below(4) == 0;  // now and then even within the common beginning
  for (size_t i = early ? 1 : static_cast<size_t>(shared) + 1; i < example.ids.size(); ++i) {
    if (random->Below(2)) example.weights[i] = random->Below(3) ? 1.0f : 0.5f;
  }
  example.weights.back() = 1;
  return example;
}

std::vector<TrainingExample> RandomExamples(uint64_t seed, size_t count) {
  Random random{seed, 0, 0};
  std::vector<TrainingExample> examples;
  for (size_t i = 0; i < count; ++i) examples.push_back(RandomExample(&random));
  return examples;
}

// What a learned row sees: all ids at positions up to its own, and what it must predict with which weight.
using Learned = std::tuple<std::vector<int32_t>, int32_t, float>;

std::multiset<Learned> LearnedOf(const std::vector<PackedBatch>& batches) {
  std::multiset<Learned> out;
  for (const auto& batch : batches) {
    for (size_t k = 0; k < batch.learned_rows.size(); ++k) {
      const int64_t row = batch.learned_rows[k];
      const auto segment = std::find_if(batch.segments.begin(), batch.segments.end(),
                                        [&](const auto& s) { return row >= s.begin && row < s.begin + s.rows; });
      std::vector<int32_t> seen(batch.ids.begin() + segment->prefix_begin,
                                batch.ids.begin() + segment->prefix_begin + segment->prefix_rows);
      seen.insert(seen.end(), batch.ids.begin() + segment->begin, batch.ids.begin() + row + 1);
      out.emplace(std::move(seen), batch.targets[k], batch.weights[k]);
    }
  }
  return out;
}

std::multiset<Learned> LearnedOf(const std::vector<TrainingExample>& examples) {
  std::multiset<Learned> out;
  for (const auto& e : examples) {
    for (size_t i = 1; i < e.ids.size(); ++i) {
      if (e.weights[i] > 0)
        out.emplace(std::vector<int32_t>(e.ids.begin(), e.ids.begin() + static_cast<ptrdiff_t>(i)), e.ids[i],
                    e.weights[i]);
    }
  }
  return out;
}

std::vector<int64_t> All(size_t count) {
  std::vector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

RC_GTEST_PROP(Packer, EveryLearnedTokenOnceWithAllThatStandsBeforeIt, (uint64_t seed)) {
  const auto count = *rc::gen::inRange<size_t>(1, 20);
  const auto limit = *rc::gen::inRange<int64_t>(1, 200);
  const bool share = *rc::gen::arbitrary<bool>();
  const auto examples = RandomExamples(seed, count);
  const auto batches = Pack(examples, All(count), {limit, share});
  RC_ASSERT(LearnedOf(batches) == LearnedOf(examples));
}

RC_GTEST_PROP(Packer, BatchesAreWellFormed, (uint64_t seed)) {
  const auto count = *rc::gen::inRange<size_t>(1, 20);
  const auto limit = *rc::gen::inRange<int64_t>(1, 200);
  const auto examples = RandomExamples(seed, count);
  for (const auto& batch : Pack(examples, All(count), {limit, true})) {
    const auto rows = static_cast<int64_t>(batch.ids.size());
    RC_ASSERT(batch.positions.size() == batch.ids.size());
    RC_ASSERT(batch.targets.size() == batch.learned_rows.size());
    RC_ASSERT(batch.weights.size() == batch.learned_rows.size());
    RC_ASSERT(std::is_sorted(batch.learned_rows.begin(), batch.learned_rows.end(), std::less_equal<>()) ||
              batch.learned_rows.size() < 2);
    int64_t at = 0, documents = 0;
    for (const auto& s : batch.segments) {
      RC_ASSERT(s.begin == at && s.rows > 0);
      RC_ASSERT(s.prefix_begin + s.prefix_rows <= s.begin);
      for (int64_t i = 0; i < s.rows; ++i)
        RC_ASSERT(batch.positions[static_cast<size_t>(s.begin + i)] == s.prefix_rows + i);
      at += s.rows;
      documents += s.prefix_rows > 0 || !std::any_of(batch.segments.begin(), batch.segments.end(), [&](const auto& f) {
                     return f.prefix_rows > 0 && f.prefix_begin == s.begin;
                   });
    }
    RC_ASSERT(at == rows);
    RC_ASSERT(rows <= limit || documents == 1);  // only one row alone may be longer
  }
}

TEST(Packer, ASystemPromptIsLaidOnce) {
  std::vector<TrainingExample> examples(4);
  for (int32_t e = 0; e < 4; ++e) {
    for (int32_t i = 0; i < 20; ++i) examples[static_cast<size_t>(e)].ids.push_back(i);
    for (int32_t i = 0; i < 5; ++i) examples[static_cast<size_t>(e)].ids.push_back(100 + 10 * e + i);
    auto& weights = examples[static_cast<size_t>(e)].weights;
    weights.assign(25, 0.0f);
    weights[24] = 1;
  }
  const auto batches = Pack(examples, All(4), {1024, true});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].ids.size(), 20u + 4 * 4);  // the last token predicts nothing
  ASSERT_EQ(batches[0].segments.size(), 5u);
  EXPECT_EQ(batches[0].segments[4].prefix_rows, 20);
  EXPECT_EQ(Pack(examples, All(4), {1024, false})[0].ids.size(), 4u * 24);
  // Four rows of room less: the last follower moves on, and takes a copy of the prefix along.
  const auto two = Pack(examples, All(4), {32, true});
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].ids.size(), 32u);
  EXPECT_EQ(two[1].ids.size(), 24u);
}

TEST(Packer, ALearnedTokenIsNeverShared) {
  std::vector<TrainingExample> examples(2);
  for (auto& e : examples) {
    for (int32_t i = 0; i < 30; ++i) e.ids.push_back(i);
    e.weights.assign(30, 0.0f);
    e.weights[12] = e.weights[29] = 1;
  }
  const auto groups = GroupByPrefix(examples, All(2), true);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].prefix_rows, 11);  // row 11 predicts token 12
}

RC_GTEST_PROP(Packer, AnEpochHoldsEveryExampleOnce, (uint64_t seed)) {
  const auto count = *rc::gen::inRange<size_t>(1, 60);
  StepPlan plan{seed, *rc::gen::arbitrary<bool>(), *rc::gen::inRange<int64_t>(1, 10),
                *rc::gen::element<int64_t>(0, 40, 100)};
  const auto examples = RandomExamples(seed, count);
  const auto steps = PlanEpoch(plan, 3, examples);
  std::vector<int64_t> seen;
  for (const auto& step : steps) {
    RC_ASSERT(!step.empty());
    int64_t tokens = 0;
    for (const int64_t i : step) tokens += examples[static_cast<size_t>(i)].size();
    if (plan.tokens_per_step == 0)
      RC_ASSERT(static_cast<int64_t>(step.size()) <= plan.examples_per_step);
    else
      RC_ASSERT(tokens <= plan.tokens_per_step || step.size() == 1);
    seen.insert(seen.end(), step.begin(), step.end());
  }
  if (!plan.shuffle) RC_ASSERT(std::is_sorted(seen.begin(), seen.end()));
  std::sort(seen.begin(), seen.end());
  RC_ASSERT(seen == All(count));
  RC_ASSERT(PlanEpoch(plan, 3, examples) == steps);
}

TEST(Packer, EpochsDifferInOrderAndSeedsToo) {
  const auto examples = RandomExamples(1, 50);
  const StepPlan plan{0, true, 8, 0}, other{1, true, 8, 0};
  EXPECT_NE(PlanEpoch(plan, 0, examples), PlanEpoch(plan, 1, examples));
  EXPECT_NE(PlanEpoch(plan, 0, examples), PlanEpoch(other, 0, examples));
}

}  // namespace
}  // namespace hew
