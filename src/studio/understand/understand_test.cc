// What the inside of a model is said to be, on a tiny random one: each number against the plain way to it.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "kernels/ops.h"
#include "model/save.h"
#include "studio/export_test_support.h"
#include "studio/pretrain.h"
#include "studio/understand/diff_model.h"
#include "studio/understand/lens.h"
#include "studio/understand/watch.h"
#include "studio/understand/why_word.h"
#include "train/tune.h"

namespace hew {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class UnderstandTest : public testing::Test {
 protected:
  void SetUp() override {
    test::WriteTinyFolder(folder_, "base");
    auto opened = OpenModel(rt_, folder_.Path("base"), {});
    ASSERT_TRUE(opened) << opened.error().message;
    opened_ = *std::move(opened);
  }
  Engine MakeEngine() const { return *opened_.MakeEngine(rt_); }
  std::vector<int32_t> Ids(std::string_view text) const { return PromptIds(*opened_.tokenizer, text); }
  double LogprobOf(const Engine& engine, std::vector<int32_t> ids, const std::vector<int32_t>& answer) const {
    const size_t prompt = ids.size();
    ids.insert(ids.end(), answer.begin(), answer.end());
    const auto scores = ScoreTokens(engine, ids);
    EXPECT_TRUE(scores);
    double sum = 0;
    for (size_t i = prompt; i < ids.size(); ++i) sum += **(scores->begin() + static_cast<std::ptrdiff_t>(i));
    return sum;
  }
  // An adapter on the tiny model, in a folder, whose B is not zero.
  void WriteAdapter(const std::string& name, bool dora = false) {
    LoraConfig config;
    config.rank = 3;
    config.dora = dora;
    config.end_layer = 1;  // the first layer alone
    auto adapter = LoraAdapter::Create(rt_, config, *opened_.model, 5);
    ASSERT_TRUE(adapter);
    Random random{8, 0, 0};
    for (const LoraModule& m : adapter->modules) {
      for (int64_t i = 0; i < m.out * m.rank; ++i)
        adapter->parameters[m.b_offset + static_cast<size_t>(i)] = 0.2f * random.Normal();
      for (int64_t i = 0; dora && i < m.out; ++i)
        adapter->parameters[m.magnitude_offset + static_cast<size_t>(i)] *= 1.1f;
    }
    adapter->Pack(rt_, *opened_.model);
    ASSERT_TRUE(SavePeftAdapter(*adapter, *opened_.model, folder_.Path(name)));
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kDefault};
  TestFolder folder_;
  OpenedModel opened_;
};

TEST_F(UnderstandTest, TheLensEndsWithWhatTheModelSays) {
  const Engine engine = MakeEngine();
  std::string text;
  for (int i = 0; i < 150; ++i) text += "a" + std::to_string(i);
  const auto ids = Ids(text.substr(0, 200));
  const auto next = NextWords(engine, ids, 7);
  ASSERT_TRUE(next);
  LensOptions options;
  options.k = 7;
  const auto report = Lens(engine, ids, options);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->positions.size(), 1u);
  const LensPosition& last = report->positions[0];
  ASSERT_EQ(last.rows.size(), 3u);
  for (size_t i = 0; i < next->size(); ++i) {
    EXPECT_EQ(last.rows.back().likely[i].id, (*next)[i].id);
    EXPECT_EQ(last.rows.back().likely[i].logprob, (*next)[i].logprob);  // the same bits
  }
  EXPECT_EQ(last.answer.id, (*next)[0].id);
  EXPECT_EQ(last.rows.back().answer_rank, 1);
  EXPECT_EQ(last.position, static_cast<int64_t>(ids.size()) - 1);

  // At every position: each is the last one of a shorter prompt.
  options.all_positions = true;
  const auto all = Lens(engine, ids, options);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->positions.size(), ids.size());
  for (const size_t at : {size_t{0}, size_t{60}, ids.size() - 1}) {
    const auto shorter = Lens(engine, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(at) + 1});
    ASSERT_TRUE(shorter);
    for (size_t row = 0; row < 3; ++row) {
      EXPECT_EQ(shorter->positions[0].rows[row].likely[1].logprob, all->positions[at].rows[row].likely[1].logprob);
      EXPECT_EQ(shorter->positions[0].rows[row].answer_rank, all->positions[at].rows[row].answer_rank);
    }
  }
  EXPECT_EQ(ToJson(*all)["positions"].size(), ids.size());
}

TEST_F(UnderstandTest, TheLensFollowsATokenAndReadsTheEmbedding) {
  const Engine engine = MakeEngine();
  const auto ids = Ids("abc");
  LensOptions options;
  options.followed = 65;
  const auto report = Lens(engine, ids, options);
  ASSERT_TRUE(report);
  const auto& rows = report->positions[0].rows;
  const auto logprobs = NextLogprobs(engine, ids);
  EXPECT_EQ(rows.back().answer_logprob, (*logprobs)[65]);
  int64_t rank = 1;
  for (size_t i = 0; i < logprobs->size(); ++i) rank += (*logprobs)[i] > (*logprobs)[65];
  EXPECT_EQ(rows.back().answer_rank, rank);
  // Row 0 is the embedding of the last token, normed and read by the (tied) head.
  Matrix residual(DType::kF32, 1, 64), hidden(DType::kF32, 1, 64), logits(DType::kF32, 1, 260);
  ReadWeightRow(opened_.model->embed_tokens, ids.back(), residual.view().f32());
  FinalNorm(rt_, *opened_.model, residual.view(), hidden.view());
  ComputeLogits(rt_, *opened_.model, hidden.view(), logits.view());
  float normalizer = 0;
  LogSumExp(rt_, logits.view(), &normalizer);
  EXPECT_EQ(rows[0].answer_logprob, double{logits.view().f32()[65]} - normalizer);
  options.followed = 260;
  EXPECT_FALSE(Lens(engine, ids, options));
  EXPECT_FALSE(Lens(engine, {}, {}));
  options.followed.reset();
  options.k = 0;
  EXPECT_FALSE(Lens(engine, ids, options));
}

TEST(Words, AreWhatSpacesSeparate) {
  EXPECT_THAT(WordsOf("  I ate\tnothing "), ElementsAre(Pair(2, 3), Pair(4, 7), Pair(8, 15)));
  EXPECT_THAT(WordsOf("나 배가"), ElementsAre(Pair(0, 3), Pair(4, 10)));
  EXPECT_THAT(WordsOf("今日\xE3\x80\x80は"), ElementsAre(Pair(0, 6), Pair(9, 12)));
  EXPECT_TRUE(WordsOf("  ").empty());
  EXPECT_EQ(WithoutWord("I love you", 0, 1), "love you");
  EXPECT_EQ(WithoutWord("I love you", 2, 6), "I you");
  EXPECT_EQ(WithoutWord("I love you", 7, 10), "I love");
  EXPECT_EQ(WithoutWord(" I love", 1, 2), "love");
  EXPECT_EQ(WithoutWord("one", 0, 3), "");
}

TEST_F(UnderstandTest, WhyWordScoresTheAnswerWithoutEachWord) {
  const Engine engine = MakeEngine();
  WhyWordRequest request;
  request.texts = {{"system", "be kind"}, {"user", "who ate it"}};
  request.prompt = [&](const std::vector<std::string>& texts) -> Result<std::vector<int32_t>> {
    return Ids(texts[0] + "|" + texts[1]);
  };
  request.answer = "me";
  const auto report = WhyWord(engine, request);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->words.size(), 5u);
  const auto plain = opened_.tokenizer->Encode("me"), spaced = opened_.tokenizer->Encode(" me");
  const double with = LogprobOf(engine, Ids("be kind|who ate it"), plain);
  const double with_space = LogprobOf(engine, Ids("be kind|who ate it"), spaced);
  EXPECT_EQ(report->answer_ids, with_space > with ? spaced : plain);
  EXPECT_NEAR(report->logprob, std::max(with, with_space), 1e-5);
  const auto without = [&](const std::string& text) { return LogprobOf(engine, Ids(text), report->answer_ids); };
  EXPECT_NEAR(report->words[0].logprob_without, without("kind|who ate it"), 1e-5);
  EXPECT_NEAR(report->words[3].logprob_without, without("be kind|who it"), 1e-5);
  for (const auto& w : report->words) EXPECT_EQ(w.effect, report->logprob - w.logprob_without);
  const auto sorted = report->Sorted();
  for (size_t i = 1; i < sorted.size(); ++i) EXPECT_GE(std::abs(sorted[i - 1].effect), std::abs(sorted[i].effect));

  request.answer.reset();  // its own words
  const auto own = WhyWord(engine, request);
  ASSERT_TRUE(own) << own.error().message;
  const auto greedy = GreedyText(engine, Ids("be kind|who ate it"), request.max_tokens);
  EXPECT_EQ(own->answer, *greedy);
  request.texts = {{"prompt", "alone"}};
  request.prompt = [&](const std::vector<std::string>& texts) -> Result<std::vector<int32_t>> { return Ids(texts[0]); };
  const auto refused = WhyWord(engine, request);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("at least two words"));
}

TEST_F(UnderstandTest, AnAdapterMovesWhatItAdapts) {
  for (const bool dora : {false, true}) {
    SCOPED_TRACE(dora);
    const std::string name = dora ? "dora" : "lora";
    WriteAdapter(name, dora);
    const auto pair = OpenPair(rt_, folder_.Path("base"), "", {folder_.Path(name)});
    ASSERT_TRUE(pair) << pair.error().message;
    EXPECT_EQ(pair->before.model, pair->after.model);  // loaded once
    DiffOptions options;
    options.prompts = {"abc"};
    options.max_tokens = 4;
    const auto diff = DiffModels(rt_, *pair, options);
    ASSERT_TRUE(diff) << diff.error().message;
    ASSERT_EQ(diff->weights.size(), 14u);
    double all = 0;
    for (const auto& w : diff->weights) {
      EXPECT_EQ(w.change_norm > 0, w.layer == 0) << w.name;
      all += w.change_norm * w.change_norm;
    }
    EXPECT_NEAR(diff->change_norm, std::sqrt(all), 1e-9);
    // Merged into one file it is the same change.
    const LoraAdapter* adapter = pair->after.adapters[0].get();
    ASSERT_TRUE(SaveModel(rt_, *opened_.model, adapter, folder_.Path(name + "-merged"), {}));
    const auto merged = OpenPair(rt_, folder_.Path("base"), folder_.Path(name + "-merged"), {});
    ASSERT_TRUE(merged) << merged.error().message;
    const auto whole = DiffModels(rt_, *merged, options);
    ASSERT_TRUE(whole);
    ASSERT_EQ(whole->weights.size(), 15u);  // and the embedding, which stays
    EXPECT_EQ(whole->weights.back().name, "embed_tokens");
    EXPECT_EQ(whole->weights.back().change_norm, 0);
    for (size_t i = 0; i < 14; ++i)
      EXPECT_NEAR(whole->weights[i].change_norm, diff->weights[i].change_norm,
                  1e-4 * (1 + diff->weights[i].change_norm));
    EXPECT_EQ(whole->adapter_bytes, 0);
    // KL by its definition.
    const auto p = NextLogprobs(*pair->before.MakeEngine(rt_), Ids("abc")),
               q = NextLogprobs(*pair->after.MakeEngine(rt_), Ids("abc"));
    double kl = 0;
    for (size_t i = 0; i < q->size(); ++i) kl += std::exp((*q)[i]) * ((*q)[i] - (*p)[i]);
    EXPECT_NEAR(diff->prompts[0].kl, kl, 1e-12);
    EXPECT_GT(kl, 0);
    EXPECT_EQ(diff->prompts[0].tokens[0].after_logprob,
              NextWords(*pair->after.MakeEngine(rt_), Ids("abc"), 1)->front().logprob);
    EXPECT_EQ(diff->prompts[0].before_text, *GreedyText(MakeEngine(), Ids("abc"), 4));
  }
  const auto neither = OpenPair(rt_, folder_.Path("base"), "", {});
  ASSERT_FALSE(neither);
  EXPECT_THAT(neither.error().message, HasSubstr("AFTER: expected a second model"));
}

TEST_F(UnderstandTest, WatchesARunThatTeachesAnAdapter) {
  std::string rows;
  for (int i = 0; i < 8; ++i)
    rows += R"({"prompt": "the sky is", "completion": " zq"})"
            "\n";
  folder_.Put("data.jsonl", rows);
  TuneRequest request;
  request.settings.base = folder_.Path("base");
  request.settings.data = {folder_.Path("data.jsonl")};
  request.settings.out = folder_.Path("run");
  request.settings.lr = 2e-2;
  request.settings.rank = 4;
  request.settings.epochs = 12;
  request.settings.snapshots = 4;
  request.model = opened_.model;
  request.tokenizer = opened_.tokenizer;
  request.quiet = true;
  const auto trained = Tune(rt_, request);
  ASSERT_TRUE(trained) << trained.error().message;
  WatchOptions options;
  options.prompts = {"the sky is"};
  options.max_tokens = 3;
  const auto report = WatchRun(rt_, folder_.Path("run"), options);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->kind, "adapter");
  ASSERT_EQ(report->points.size(), 5u);
  EXPECT_EQ(report->points[0].answers[0].next[0].logprob,
            NextWords(MakeEngine(), Ids("the sky is"), 1)->front().logprob);
  EXPECT_FALSE(report->points[0].loss);  // before the first step
  EXPECT_EQ(*report->points[4].loss, report->losses.back().loss);
  EXPECT_EQ(report->answers[0].text, " ");
  EXPECT_EQ(report->points[4].answers[0].text, " zq");
  EXPECT_GT(report->points[4].answers[0].answer_logprob, report->points[0].answers[0].answer_logprob + 1);
  EXPECT_EQ(ToJson(*report)["points"].size(), 5u);
  options.prompts.clear();
  const auto unasked = WatchRun(rt_, folder_.Path("run"), options);
  ASSERT_FALSE(unasked);
  EXPECT_THAT(unasked.error().message, HasSubstr("--prompt"));
  EXPECT_FALSE(WatchRun(rt_, folder_.Path("base"), options));
  // One after another, named.
  options.prompts = {"the sky is"};
  const auto two = WatchVersions(rt_, {folder_.Path("base"), folder_.Path("base")}, options);
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(two->points[0].answers[0].answer_logprob, two->points[1].answers[0].answer_logprob);
}

TEST_F(UnderstandTest, WatchesPretrainingWithWhatItSampled) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "the cat sat on the mat\n";
  folder_.Put("text.txt", text);
  PretrainRequest request;
  request.quiet = true;
  TuneSettings& s = request.settings;
  s = PretrainDefaults();
  s.data = {folder_.Path("text.txt")};
  s.out = folder_.Path("run");
  s.documents = "lines";
  s.vocab_size = 280;
  s.hidden_size = 32;
  s.intermediate_size = 64;
  s.num_hidden_layers = 2;
  s.num_attention_heads = 2;
  s.max_length = 24;
  s.batch_tokens = 96;
  s.steps = 12;
  s.lr = 1e-2;
  s.sample = {"the cat"};
  s.sample_every = 4;
  ASSERT_TRUE(Pretrain(rt_, request));
  const auto written = WatchRun(rt_, s.out, {});  // nothing kept, but what it said on the way
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->kind, "model");
  EXPECT_TRUE(written->points.empty());
  EXPECT_EQ(written->losses.size(), 12u);
  ASSERT_EQ(written->samples.size(), 3u);
  EXPECT_EQ(written->samples[2].step, 12);
  WatchOptions asked;
  asked.prompts = {"the dog"};
  const auto refused = WatchRun(rt_, s.out, asked);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("--snapshots 8"));
  s.out = folder_.Path("kept");
  s.snapshots = 3;
  ASSERT_TRUE(Pretrain(rt_, request));
  const auto report = WatchRun(rt_, s.out, {});  // the prompts are the run's own
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->prompts, ElementsAre("the cat"));
  EXPECT_EQ(report->points.size(), 4u);
}

TEST(Thin, KeepsBothEnds) {
  std::vector<LossPoint> points;
  for (int64_t i = 0; i < 1000; ++i) points.push_back({i, 0.5});
  const auto thin = Thin(points, 30);
  ASSERT_EQ(thin.size(), 30u);
  EXPECT_EQ(thin.front().step, 0);
  EXPECT_EQ(thin.back().step, 999);
}

}  // namespace
}  // namespace hew
