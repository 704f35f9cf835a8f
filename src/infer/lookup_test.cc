#include "infer/lookup.h"

#include <gtest/gtest.h>

#include "infer/generator.h"
#include "model/test_util.h"

namespace hew {
namespace {

// Every id is a letter: text without a vocabulary file.
class Letters : public Tokenizer {
 public:
  std::vector<int32_t> Encode(std::string_view text, EncodeOptions) const override { return {text.begin(), text.end()}; }
  std::string TokenBytes(int32_t id, bool) const override { return std::string(1, static_cast<char>('0' + id)); }
  int64_t vocab_size() const override { return 70; }
  std::string_view kind() const override { return "letters"; }
  bool IsSpecial(int32_t) const override { return false; }
  std::optional<int32_t> TokenId(std::string_view) const override { return std::nullopt; }
};

// Guessing ahead must not be seen in the answer: greedy or drawn, with penalties, and in a second turn that reuses the cache.
TEST(Lookup, LookupGivesTheSameAnswer) {
  const ThreadPool pool(2);
  const Model model = test::TinyModel(pool, {DType::kQ4_1, DType::kQ5_0, DType::kBF16});
  const Letters letters;
  for (const Runtime& rt : test::AllRuntimes(pool)) {
    const Engine engine{rt, &model, &letters, {}, 400};
    int64_t accepted = 0;
    for (const float temperature : {0.0f, 0.7f}) {
      Generator with(engine), without(engine);
      GenerateRequest request;
      request.sampling.temperature = temperature;
      request.sampling.repeat_penalty = temperature > 0 ? 1.05f : 1.0f;
      request.max_tokens = 120;
      for (int i = 0; i < 24; ++i) request.prompt.push_back(i % 6 + 3);  // repeats itself: there is something to look up
      for (int turn = 0; turn < 2; ++turn) {
        request.lookup = false;
        const auto expected = without.Generate(request);
        request.lookup = true;
        const auto found = with.Generate(request);
        ASSERT_TRUE(expected && found);
        ASSERT_EQ(found->ids, expected->ids) << test::Describe(rt) << " temperature " << temperature << " turn " << turn;
        EXPECT_EQ(found->text, expected->text);
        EXPECT_EQ(found->cached_tokens, expected->cached_tokens);
        EXPECT_EQ(expected->drafted_tokens, 0);
        accepted += found->accepted_tokens;
        request.prompt.insert(request.prompt.end(), found->ids.begin(), found->ids.end());
        request.prompt.push_back(5);
      }
    }
    EXPECT_GT(accepted, 0) << "nothing was ever guessed: this test tests nothing";
  }
}

TEST(Lookup, DraftsWhatFollowedTheLongestMatch) {
  Lookup lookup;
  const std::vector<int32_t> history = {1, 2, 3, 4, 5, 6, 7, 8, 2, 3, 9, 1, 2, 3, 4};
  const std::vector<int32_t> draft = lookup.Draft(history, 2);  // how many of 5, 6, 7 is its own judgement
  ASSERT_FALSE(draft.empty());
  EXPECT_EQ(draft[0], 5);
  EXPECT_TRUE(lookup.Draft(std::vector<int32_t>{1, 2, 3, 4}, 4).empty());
  EXPECT_TRUE(lookup.Draft({}, 4).empty());
  EXPECT_TRUE(lookup.Draft(history, 0).empty());
}

TEST(Lookup, StopsWhereGuessesDoNotComeTrueAndTakesUpAgain) {
  Lookup lookup;
  std::vector<int32_t> history;
  for (int i = 0; i < 20; ++i) history.insert(history.end(), {1, 2, 3, 100 + i});  // what follows 1 2 3 is always new
  const std::span<const int32_t> until_3(history.data(), history.size() - 1);
  for (int i = 0; i < 40; ++i) {
    lookup.Draft(until_3, 7);
    lookup.Observe(99);
  }
  EXPECT_TRUE(lookup.Draft(until_3, 7).empty());
  for (int i = 0; i < 40; ++i) {
    lookup.Draft(until_3, 7);
    lookup.Observe(100 + 18);
  }
  EXPECT_FALSE(lookup.Draft(until_3, 7).empty());
}

}  // namespace
}  // namespace hew
