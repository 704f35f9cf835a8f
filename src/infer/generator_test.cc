#include "infer/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "infer/test_util.h"
#include "model/test_util.h"

namespace hew {
namespace {

using test::LogitsOf;
using test::PieceTokenizer;
using test::RandomIds;
using test::TinyModel;

class GeneratorTest : public testing::Test {
 protected:
  Engine MakeEngine(const Tokenizer& tokenizer, int64_t context_size = 128) const {
    return {{&pool_, BestIsa(), Precision::kDefault}, &model_, &tokenizer, {}, context_size};
  }
  GenerateRequest Request(int64_t max_tokens, uint64_t prompt_seed = 5, int64_t prompt_tokens = 9) const {
    GenerateRequest request;
    request.prompt = RandomIds(prompt_seed, prompt_tokens, 70);
    request.sampling.temperature = 0;
    request.max_tokens = max_tokens;
    return request;
  }
  // What greedy decoding must say, from the decoder alone: the whole sequence anew for every token.
  std::vector<int32_t> Greedy(std::vector<int32_t> ids, int64_t count) const {
    const size_t prompt = ids.size();
    const Runtime rt{&pool_, BestIsa(), Precision::kDefault};
    while (static_cast<int64_t>(ids.size() - prompt) < count) {
      const Matrix logits = LogitsOf(rt, model_, {}, ids);
      ids.push_back(ArgMax({logits.view().f32(static_cast<int64_t>(ids.size()) - 1), 70}));
    }
    return {ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end()};
  }
  static GenerateResult Run(Generator* generator, const GenerateRequest& request,
                            const TextCallback& on_text = nullptr) {
    auto result = generator->Generate(request, on_text);
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }

  ThreadPool pool_{2};
  Model model_ = TinyModel(pool_, {DType::kQ8_0, DType::kQ4_1, DType::kBF16});
  PieceTokenizer plain_;
};

TEST_F(GeneratorTest, GreedyIsTheArgMaxOfEveryStep) {
  Generator generator(MakeEngine(plain_));
  const GenerateRequest request = Request(20);
  const GenerateResult result = Run(&generator, request);
  EXPECT_EQ(result.ids, Greedy(request.prompt, 20));
  EXPECT_EQ(result.finish_reason, "length");
  EXPECT_EQ(result.prompt_tokens, 9);
  EXPECT_EQ(result.cached_tokens, 0);
}

TEST_F(GeneratorTest, EndTokenStopsAndIsNoText) {
  const GenerateRequest request = Request(20);
  const std::vector<int32_t> expected = Greedy(request.prompt, 20);
  const int32_t end = expected[6];
  const PieceTokenizer tokenizer({end});
  Generator generator(MakeEngine(tokenizer));
  const GenerateResult result = Run(&generator, request);
  const auto first = std::find(expected.begin(), expected.end(), end);
  EXPECT_EQ(result.ids, std::vector<int32_t>(expected.begin(), first + 1));
  EXPECT_EQ(result.finish_reason, "stop");
  EXPECT_EQ(result.text.find("<end>"), std::string::npos);
  EXPECT_EQ(result.text, tokenizer.Decode(result.ids));
}

TEST_F(GeneratorTest, StopTextEndsTheAnswerAndIsNeverShown) {
  Generator generator(MakeEngine(plain_));
  GenerateRequest request = Request(20);
  const std::string whole = Run(&generator, request).text;
  const std::string stop = whole.substr(6, 3);
  request.stop = {"never said", stop};
  std::string streamed;
  const GenerateResult result = Run(&generator, request, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(result.finish_reason, "stop");
  EXPECT_EQ(result.text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(streamed, result.text);
}

TEST_F(GeneratorTest, StreamsWholeCharactersThatAddUpToTheText) {
  const PieceTokenizer bytes({}, 60);
  Generator generator(MakeEngine(bytes, 400));
  GenerateRequest request = Request(300);
  request.sampling.temperature = 2;  // says all kinds of bytes
  request.sampling.top_k = 0;
  request.sampling.seed = 4;
  std::vector<std::string> pieces;
  const GenerateResult result = Run(&generator, request, [&](std::string_view piece) {
    pieces.emplace_back(piece);
    return true;
  });
  std::string sum;
  for (const std::string& piece : pieces) {
    EXPECT_FALSE(piece.empty());
    sum += piece;
  }
  EXPECT_EQ(sum, result.text);
  ASSERT_NE(result.text.find("배"), std::string::npos) << "the seed says the character at least once";
  EXPECT_NE(std::find_if(pieces.begin(), pieces.end(), [](const auto& p) { return p.find("배") != std::string::npos; }),
            pieces.end())
      << "its three bytes come in one piece";
}

TEST_F(GeneratorTest, CallerMayStop) {
  Generator generator(MakeEngine(plain_));
  int pieces = 0;
  const GenerateResult result = Run(&generator, Request(20), [&](std::string_view) { return ++pieces < 3; });
  EXPECT_EQ(pieces, 3);
  EXPECT_EQ(result.finish_reason, "stop");
  EXPECT_LT(result.ids.size(), 20u);
}

TEST_F(GeneratorTest, CachedBeginningChangesNothing) {
  Generator generator(MakeEngine(plain_));
  const GenerateRequest first = Request(10);
  const GenerateResult before = Run(&generator, first);
  GenerateRequest second = first;
  second.prompt.insert(second.prompt.end(), before.ids.begin(), before.ids.end());
  second.prompt.push_back(11);
  const GenerateResult after = Run(&generator, second);
  EXPECT_GT(after.cached_tokens, 9);
  EXPECT_EQ(after.ids, Greedy(second.prompt, 10));
  const GenerateResult again = Run(&generator, first);  // shorter than what is cached
  EXPECT_EQ(again.ids, before.ids);
  EXPECT_EQ(again.cached_tokens, 8) << "the last token of a prompt is always run";
}

TEST_F(GeneratorTest, BatchedAnswersAreThoseGivenAlone) {
  std::vector<GenerateRequest> requests;
  for (uint64_t i = 0; i < 7; ++i) {
    requests.push_back(Request(static_cast<int64_t>(3 + 4 * i), 20 + i, static_cast<int64_t>(1 + 5 * i)));
    requests.back().sampling.temperature = i % 2 == 0 ? 0.f : 1.f;
    requests.back().sampling.seed = i;
  }
  const Engine engine = MakeEngine(plain_);
  std::vector<size_t> done;
  const auto together = GenerateAll(engine, requests, 3, [&](size_t i) { done.push_back(i); });
  ASSERT_TRUE(together) << together.error().message;
  ASSERT_EQ(together->size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    Generator alone(engine);
    const GenerateResult expected = Run(&alone, requests[i]);
    EXPECT_EQ((*together)[i].ids, expected.ids) << i;
    EXPECT_EQ((*together)[i].text, expected.text) << i;
  }
  std::sort(done.begin(), done.end());
  EXPECT_EQ(done, (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST_F(GeneratorTest, AnswersEndWhereTheContextEnds) {
  Generator generator(MakeEngine(plain_, 16));
  const GenerateResult result = Run(&generator, Request(100));
  EXPECT_EQ(result.ids.size(), 7u);
  EXPECT_EQ(result.finish_reason, "length");
}

TEST_F(GeneratorTest, RefusesWhatDoesNotFitWithTheNumbers) {
  Generator generator(MakeEngine(plain_, 16));
  const auto refusal = [&](const GenerateRequest& request) {
    const auto result = generator.Generate(request);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_EQ(refusal(Request(4, 1, 17)), "prompt: expected at most 16 tokens (the context), found 17");
  GenerateRequest request = Request(4);
  request.prompt.clear();
  EXPECT_EQ(refusal(request), "prompt: expected at least one token, found none");
  request.prompt = {70};
  EXPECT_EQ(refusal(request), "prompt: expected token ids below 70, found 70");
  request = Request(-1);
  EXPECT_EQ(refusal(request), "max_tokens: expected 0 or more, found -1");
  const auto all = GenerateAll(MakeEngine(plain_, 16), {Request(2), Request(4, 1, 17)}, 2);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().message, "request 2: prompt: expected at most 16 tokens (the context), found 17");
}

TEST_F(GeneratorTest, ScoresAndNextTokensAreTheDecodersLogits) {
  const Engine engine = MakeEngine(plain_, 512);
  const std::vector<int32_t> fitting = RandomIds(8, 500, 70);  // the rotary table of the tiny model holds 512
  const Matrix logits = LogitsOf(engine.rt, model_, {}, fitting);
  std::vector<float> normalizer(fitting.size());
  LogSumExp(engine.rt, logits.view(), normalizer.data());
  const auto scores = ScoreTokens(engine, fitting);
  ASSERT_TRUE(scores);
  ASSERT_EQ(scores->size(), fitting.size());
  EXPECT_FALSE((*scores)[0].has_value());
  for (size_t i = 1; i < fitting.size(); ++i) {
    const double expected = logits.view().f32(static_cast<int64_t>(i) - 1)[fitting[i]] - normalizer[i - 1];
    ASSERT_NEAR((*scores)[i].value(), expected, 1e-5) << i;
  }
  const auto next = NextTokens(engine, fitting, 1000);
  ASSERT_TRUE(next);
  ASSERT_EQ(next->size(), 70u) << "no more than there are";
  double sum = 0;
  for (size_t i = 0; i < next->size(); ++i) {
    sum += std::exp((*next)[i].logprob);
    if (i > 0) {
      EXPECT_LE((*next)[i].logprob, (*next)[i - 1].logprob);
    }
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ((*next)[0].id, ArgMax({logits.view().f32(499), 70}));
  EXPECT_FALSE(NextTokens(engine, fitting, 0));
}

}  // namespace
}  // namespace hew
