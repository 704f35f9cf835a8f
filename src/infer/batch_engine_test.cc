#include "infer/batch_engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <mutex>

#include "infer/test_util.h"
#include "model/test_util.h"

namespace hew {
namespace {

using test::LogitsOf;
using test::PieceTokenizer;
using test::RandomAdapter;
using test::RandomIds;
using test::TinyModel;

// Keeps what it is told; may hold the engine up inside its first OnText, so that a test can act in between.
class Recorder : public BatchListener {
 public:
  explicit Recorder(bool hold = false) : held_(hold) {}

  void OnPrompt(const std::vector<TokenChoice>& choices) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(done_ || said_ > 0 || !prompt.empty());
    prompt = choices;
  }
  void OnText(std::string_view piece, const std::vector<TokenChoice>& tokens) override {
    std::unique_lock lock(mutex_);
    EXPECT_FALSE(done_);
    text += piece;
    choices.insert(choices.end(), tokens.begin(), tokens.end());
    ++said_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
  }
  void OnDone(const GenerateResult& given) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(done_);
    result = given;
    done_ = true;
    changed_.notify_all();
  }
  void OnError(const Error& error) override { ADD_FAILURE() << error.message; }

  void WaitForText() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return said_ > 0 || done_; });
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  const GenerateResult& Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
    return result;
  }
  int said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }

  std::string text;
  std::vector<TokenChoice> prompt, choices;
  GenerateResult result;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_, done_ = false;
  int said_ = 0;
};

class BatchEngineTest : public testing::Test {
 protected:
  BatchEngineTest() {
    LoraConfig lora, dora;
    lora.rank = 4;
    dora.rank = 3;
    dora.dora = true;
    versions_.push_back({});
    for (uint64_t i = 0; i < 2; ++i)
      versions_.push_back({std::make_shared<LoraAdapter>(RandomAdapter(rt_, lora, model_, i))});
    versions_.push_back({std::make_shared<LoraAdapter>(RandomAdapter(rt_, dora, model_, 9))});
    versions_.push_back({versions_[1][0], versions_[2][0]});
  }
  Engine MakeEngine(int64_t context_size = 400) const { return {rt_, &model_, &tokenizer_, {}, context_size}; }
  BatchRequest Request(std::vector<int32_t> prompt, int64_t max_tokens, size_t version = 0) const {
    BatchRequest request;
    request.generate.prompt = std::move(prompt);
    request.generate.max_tokens = max_tokens;
    request.generate.sampling.temperature = 0;
    request.adapters = versions_[version];
    request.adapter_key = version == 0 ? "" : "version " + std::to_string(version);
    return request;
  }
  GenerateResult Alone(const BatchRequest& request, int64_t context_size = 400) const {
    Engine engine = MakeEngine(context_size);
    engine.rt.pool = &own_pool_;  // the other is the engine's thread's
    for (const auto& adapter : request.adapters) engine.adapters.push_back(adapter.get());
    Generator generator(engine);
    auto result = generator.Generate(request.generate);
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }
  static std::shared_ptr<Recorder> Submit(BatchEngine& engine, BatchRequest request, bool hold = false) {
    auto recorder = std::make_shared<Recorder>(hold);
    const auto number = engine.Submit(std::move(request), recorder);
    EXPECT_TRUE(number) << number.error().message;
    return recorder;
  }
  void ExpectAsAlone(const BatchRequest& request, Recorder& recorder, const std::string& what) const {
    const GenerateResult expected = Alone(request);
    const GenerateResult& found = recorder.Wait();
    EXPECT_EQ(found.ids, expected.ids) << what;
    EXPECT_EQ(found.text, expected.text) << what;
    EXPECT_EQ(found.finish_reason, expected.finish_reason) << what;
    EXPECT_EQ(recorder.text, expected.text) << what;
  }

  ThreadPool pool_{2}, own_pool_{1};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  Model model_ = TinyModel(pool_, {DType::kQ8_0, DType::kQ4_1, DType::kBF16});
  PieceTokenizer tokenizer_{{7}};
  std::vector<std::vector<std::shared_ptr<const LoraAdapter>>> versions_;
};

// Requests that come at random, with whatever adapters, lengths and beginnings: each is answered as if it were alone.
TEST_F(BatchEngineTest, RandomArrivalsAnswerAsAlone) {
  const size_t roomy = size_t{1} << 28, token = KvCache::BytesPerToken(rt_, model_.config);
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Random random{seed, 3, 0};
    BatchSettings settings;
    settings.max_sequences = static_cast<int64_t>(1 + random.Below(9));
    settings.prompt_slice = static_cast<int64_t>(1 + random.Below(40));
    settings.cache_bytes = seed % 2 == 0 ? roomy : token * 500;  // the second: they push each other out
    BatchEngine engine(MakeEngine(), settings);
    std::vector<BatchRequest> requests;
    std::vector<std::shared_ptr<Recorder>> recorders;
    for (int i = 0; i < 24; ++i) {
      std::vector<int32_t> prompt = RandomIds(random.Below(3), 120, 70);  // three conversations
      prompt.resize(1 + random.Below(120));
      const auto tail = RandomIds(random.Below(5), static_cast<int64_t>(random.Below(20)), 70);
      prompt.insert(prompt.end(), tail.begin(), tail.end());
      BatchRequest request = Request(prompt, static_cast<int64_t>(random.Below(60)), random.Below(versions_.size()));
      request.generate.sampling.temperature = random.Below(3) == 0 ? 1.0f : 0.0f;
      request.generate.sampling.seed = random.Next32();
      request.generate.lookup = random.Below(2) == 0;
      if (random.Below(4) == 0) request.generate.stop = {"1", "Q2"};
      requests.push_back(request);
      recorders.push_back(Submit(engine, request));
      if (random.Below(3) == 0) recorders[random.Below(recorders.size())]->Wait();
    }
    for (size_t i = 0; i < requests.size(); ++i)
      ExpectAsAlone(requests[i], *recorders[i], fmt::format("seed {}, request {}", seed, i));
    engine.Stop(1000);  // the last one is told before it is forgotten
    const BatchCounters counters = engine.counters();
    EXPECT_EQ(counters.running + counters.waiting, 0);
    EXPECT_EQ(counters.requests, 24u);
    EXPECT_LE(counters.cache_bytes, settings.cache_bytes);
  }
}

TEST_F(BatchEngineTest, AConversationGoesOnInItsCacheAndNeverInAnothers) {
  BatchEngine engine(MakeEngine(), {});
  const BatchRequest first = Request(RandomIds(4, 40, 70), 20, 1);
  const std::vector<int32_t> said = Submit(engine, first)->Wait().ids;
  BatchRequest second = first;
  second.generate.prompt.insert(second.generate.prompt.end(), said.begin(), said.end());
  second.generate.prompt.push_back(11);
  const auto again = Submit(engine, second);
  ExpectAsAlone(second, *again, "the same adapter");
  EXPECT_GE(again->result.cached_tokens, 40 + static_cast<int64_t>(said.size()) - 1);
  for (const size_t version : {0, 2, 3}) {
    BatchRequest other = Request(second.generate.prompt, 20, version);
    const auto recorder = Submit(engine, other);
    ExpectAsAlone(other, *recorder, fmt::format("version {}", version));
    EXPECT_EQ(recorder->result.cached_tokens, 0) << "what one adapter computed is not another's";
  }
  // Another end of the same beginning: a copy, and the first entry stays good.
  BatchRequest third = second;
  third.generate.prompt.resize(30);
  third.generate.prompt.push_back(12);
  const auto branch = Submit(engine, third);
  ExpectAsAlone(third, *branch, "a branch");
  EXPECT_EQ(branch->result.cached_tokens, 30);
  const auto whole = Submit(engine, second);
  ExpectAsAlone(second, *whole, "the whole again");
  EXPECT_EQ(whole->result.cached_tokens, static_cast<int64_t>(second.generate.prompt.size()) - 1);
}

TEST_F(BatchEngineTest, TheSamePromptAtOnceIsRunOnce) {
  BatchEngine engine(MakeEngine(), {});
  const auto blocker = Submit(engine, Request(RandomIds(1, 5, 70), 30, 2), true);
  blocker->WaitForText();
  const BatchRequest request = Request(RandomIds(4, 100, 70), 10, 1);
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (int i = 0; i < 4; ++i) recorders.push_back(Submit(engine, request));
  blocker->Release();
  for (size_t i = 0; i < recorders.size(); ++i) {
    ExpectAsAlone(request, *recorders[i], std::to_string(i));
    EXPECT_EQ(recorders[i]->result.cached_tokens, i == 0 ? 0 : 99);
  }
}

TEST_F(BatchEngineTest, ALongPromptDoesNotHoldUpOthers) {
  BatchSettings settings;
  settings.prompt_slice = 8;
  BatchEngine engine(MakeEngine(), settings);
  BatchRequest quick = Request(RandomIds(8, 5, 70), 100);
  quick.top_logprobs = 0;  // told of every token
  ASSERT_GT(Alone(quick).ids.size(), 40u) << "the seed speaks for long";
  const auto talking = Submit(engine, quick, true);
  talking->WaitForText();
  BatchRequest slow = Request(RandomIds(3, 240, 70), 1);
  const auto listening = Submit(engine, slow);
  talking->Release();
  listening->Wait();
  EXPECT_GE(talking->said(), 30) << "240 rows in slices of 8, a token beside each";
  ExpectAsAlone(quick, *talking, "the quick one");
  ExpectAsAlone(slow, *listening, "the slow one");
}

TEST_F(BatchEngineTest, CancelledWithinOneStep) {
  BatchEngine engine(MakeEngine(), {});
  auto talking = std::make_shared<Recorder>(true), waiting = std::make_shared<Recorder>();
  BatchRequest request = Request(RandomIds(8, 5, 70), 300);
  request.top_logprobs = 0;  // told of every token
  const auto number = engine.Submit(request, talking);
  ASSERT_TRUE(number);
  talking->WaitForText();
  const auto second = engine.Submit(request, waiting);
  ASSERT_TRUE(second);
  engine.Cancel(*number);
  engine.Cancel(*second);
  engine.Cancel(12345);  // nobody
  talking->Release();
  EXPECT_EQ(talking->Wait().finish_reason, "cancelled");
  EXPECT_EQ(talking->result.ids.size(), 1u);
  EXPECT_EQ(waiting->Wait().finish_reason, "cancelled");
  EXPECT_TRUE(waiting->result.ids.empty());
}

TEST_F(BatchEngineTest, TheQueueIsBoundedAndStopEndsEverything) {
  BatchSettings settings;
  settings.max_sequences = 1;
  settings.max_queue = 1;
  BatchEngine engine(MakeEngine(), settings);
  const BatchRequest request = Request(RandomIds(8, 5, 70), 30);
  const auto running = Submit(engine, request, true);
  running->WaitForText();
  const auto queued = Submit(engine, request);
  const auto refused = engine.Submit(request, std::make_shared<Recorder>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kEnvironment);
  EXPECT_EQ(refused.error().message, "the queue is full: 1 requests are waiting");
  EXPECT_EQ(engine.counters().waiting, 1);
  running->Release();
  engine.Stop(1000);  // with time enough both end as they should
  ExpectAsAlone(request, *running, "running");
  ExpectAsAlone(request, *queued, "queued");
  EXPECT_FALSE(engine.Submit(request, std::make_shared<Recorder>()));

  auto cut = std::make_shared<Recorder>(true);
  {
    BatchEngine other(MakeEngine(), settings);
    ASSERT_TRUE(other.Submit(Request(RandomIds(8, 5, 70), 300), cut));
    cut->WaitForText();
    cut->Release();
  }
  cut->Wait();
}

TEST_F(BatchEngineTest, LogprobsAreTheModelsOwn) {
  BatchEngine engine(MakeEngine(), {});
  BatchRequest request = Request(RandomIds(6, 90, 70), 4, 1);
  request.prompt_logprobs = true;
  request.top_logprobs = 3;
  request.logit_bias = {{20, 100.0f}};
  for (int round = 0; round < 2; ++round) {  // the second time the prompt is known, and asked for all the same
    const auto recorder = Submit(engine, request);
    const GenerateResult& result = recorder->Wait();
    EXPECT_EQ(result.ids, std::vector<int32_t>(4, 20)) << "the bias decides";
    std::vector<int32_t> ids = request.generate.prompt;
    ids.insert(ids.end(), result.ids.begin(), result.ids.end());
    const LoraAdapter* const adapters[] = {request.adapters[0].get()};
    const Matrix logits = LogitsOf(rt_, model_, adapters, ids);
    std::vector<float> normalizers(ids.size());
    LogSumExp(rt_, logits.view(), normalizers.data());
    std::vector<TokenChoice> all = recorder->prompt;
    ASSERT_EQ(all.size(), 89u);
    all.insert(all.end(), recorder->choices.begin(), recorder->choices.end());
    ASSERT_EQ(all.size(), ids.size() - 1);
    for (size_t i = 0; i < all.size(); ++i) {
      const float* row = logits.view().f32(static_cast<int64_t>(i));
      EXPECT_EQ(all[i].id, ids[i + 1]);
      EXPECT_EQ(all[i].logprob, double{row[ids[i + 1]]} - normalizers[i]) << i;
      const int32_t best = ArgMax({row, 70});
      ASSERT_EQ(all[i].top.size(), 3u);
      EXPECT_EQ(all[i].top[0].id, best);
      EXPECT_EQ(all[i].top[0].logprob, double{row[best]} - normalizers[i]);
      EXPECT_GE(all[i].top[1].logprob, all[i].top[2].logprob);
    }
  }
}

TEST_F(BatchEngineTest, EmbeddingsAreTheMeanOfLastStatesOfLengthOne) {
  BatchSettings settings;
  settings.prompt_slice = 16;
  BatchEngine engine(MakeEngine(), settings);
  const std::vector<std::vector<int32_t>> texts = {RandomIds(1, 3, 70), RandomIds(2, 50, 70)};
  const auto rows = engine.Embed(texts);
  ASSERT_TRUE(rows);
  for (size_t i = 0; i < texts.size(); ++i) {
    KvCache cache(rt_, model_.config, 64);
    const SequenceRows sequence{texts[i], &cache};
    Matrix hidden;
    engine.RunExclusive([&](const Engine& e) { hidden = DecoderForward(e.rt, *e.model, {&sequence, 1}); });
    std::vector<double> mean(64);
    double squares = 0, length = 0;
    for (int64_t r = 0; r < hidden.row_count(); ++r) {
      for (size_t c = 0; c < 64; ++c) mean[c] += hidden.view().f32(r)[c];
    }
    for (const double v : mean) squares += v * v;
    ASSERT_EQ((*rows)[i].size(), 64u);
    for (size_t c = 0; c < 64; ++c) {
      EXPECT_NEAR((*rows)[i][c], mean[c] / std::sqrt(squares), 1e-6);
      length += static_cast<double>((*rows)[i][c]) * (*rows)[i][c];
    }
    EXPECT_NEAR(length, 1, 1e-5);
  }
  const auto refused = engine.Embed({{1}, {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "text 2: prompt: expected at least one token, found none");
}

TEST_F(BatchEngineTest, RefusesWhatIsWrong) {
  BatchSettings settings;
  settings.cache_bytes = KvCache::BytesPerToken(rt_, model_.config) * 50;
  BatchEngine engine(MakeEngine(), settings);
  EXPECT_EQ(engine.context_size(), 50);
  const auto refusal = [&](BatchRequest request) {
    const auto number = engine.Submit(std::move(request), std::make_shared<Recorder>());
    return number ? std::string("accepted") : number.error().message;
  };
  EXPECT_EQ(refusal(Request(RandomIds(1, 51, 70), 1)), "prompt: expected at most 50 tokens (the context), found 51");
  BatchRequest request = Request({1}, 1);
  request.logit_bias = {{70, 1.0f}};
  EXPECT_EQ(refusal(request), "logit_bias: expected token ids below 70, found 70");
  request.logit_bias = {{1, INFINITY}};
  EXPECT_EQ(refusal(request), "logit_bias: expected finite numbers, found inf");
  request.logit_bias.clear();
  request.top_logprobs = 71;
  EXPECT_EQ(refusal(request), "top_logprobs: expected a number from 0 to 70, found 71");
}

}  // namespace
}  // namespace hew
