// The solve against the dense formula, the projection against inner products, and planted rows that must come first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "base/random.h"
#include "base/test_folder.h"
#include "studio/attribution/bm25.h"
#include "studio/attribution/gradients.h"
#include "studio/attribution/why.h"
#include "studio/export_test_support.h"
#include "studio/open_model.h"
#include "studio/registry/record.h"

namespace hew {
namespace {

TEST(Bm25, KnowsWordsAndHangul) {
  const Bm25 index({"open billing for a refund", "the dark theme is in settings", "환불은 결제 메뉴에서 받습니다"});
  const auto refund = index.Scores("How do I get a REFUND?");
  EXPECT_GT(refund[0], refund[1]);
  const auto korean = index.Scores("환불을 받고 싶어요");
  EXPECT_GT(korean[2], 0);
  EXPECT_EQ(korean[0], 0);
  EXPECT_EQ(index.Scores("nothing shared")[1], 0);
}

// One matrix A [2, 3] and one B [4, 2].
LoraAdapter SmallAdapter() {
  LoraAdapter adapter;
  LoraModule module;
  module.rank = 2, module.in = 3, module.out = 4;
  module.a_offset = 0, module.b_offset = 6;
  adapter.modules.push_back(std::move(module));
  adapter.parameters.resize(14);
  return adapter;
}

// H v by hand: (lambda I + G'G/n) solved by Gauss elimination, for one matrix.
std::vector<double> DenseInfluence(const std::vector<std::vector<float>>& rows, const std::vector<float>& v, size_t begin, size_t d) {
  const double n = static_cast<double>(rows.size());
  double norms = 0;
  for (const auto& g : rows) {
    for (size_t i = 0; i < d; ++i) norms += g[begin + i] * g[begin + i];
  }
  std::vector<std::vector<double>> h(d, std::vector<double>(d + 1));
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j < d; ++j) {
      for (const auto& g : rows) h[i][j] += g[begin + i] * g[begin + j] / n;
    }
    h[i][i] += 0.1 * norms / (n * static_cast<double>(d));
    h[i][d] = v[begin + i];
  }
  for (size_t p = 0; p < d; ++p) {  // positive definite: no pivoting needed
    for (size_t i = 0; i < d; ++i) {
      if (i == p) continue;
      const double factor = h[i][p] / h[p][p];
      for (size_t j = p; j <= d; ++j) h[i][j] -= factor * h[p][j];
    }
  }
  std::vector<double> out;
  for (const auto& g : rows) {
    double sum = 0;
    for (size_t i = 0; i < d; ++i) sum += g[begin + i] * h[i][d] / h[i][i];
    out.push_back(sum);
  }
  return out;
}

TEST(Gradients, TheSolveIsTheDenseOne) {
  const LoraAdapter adapter = SmallAdapter();
  const ThreadPool pool(2);
  const Runtime rt{&pool, Isa::kScalar, Precision::kDefault};
  Random random{3, 1, 0};
  const auto draw = [&] {
    std::vector<float> g(14);
    for (float& x : g) x = random.Normal();
    return g;
  };
  for (const int64_t n : {1, 3, 9, 30}) {
    GradientStore store(adapter, n, 64);
    std::vector<std::vector<float>> rows;
    for (int64_t i = 0; i < n; ++i) {
      rows.push_back(draw());
      store.Put(i, rows.back());
    }
    const auto v = draw();
    const auto found = store.Influence(rt, store.Project(v));
    const auto a = DenseInfluence(rows, v, 0, 6), b = DenseInfluence(rows, v, 6, 8);
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(found[i], a[i] + b[i], 1e-4 * (1 + std::abs(a[i] + b[i]))) << n;
    const auto products = store.Products(store.Project(v));
    EXPECT_NEAR(products[0], std::inner_product(v.begin(), v.end(), rows[0].begin(), 0.0), 1e-4);
  }
}

TEST(Gradients, ProjectionKeepsInnerProductsOnAverage) {
  LoraAdapter adapter;
  LoraModule module;
  module.rank = 8, module.in = 1000, module.out = 1000;
  module.a_offset = 0, module.b_offset = 8000;
  adapter.modules.push_back(std::move(module));
  Random random{4, 1, 0};
  std::vector<float> a(16000), b(16000);
  for (size_t i = 0; i < a.size(); ++i) a[i] = random.Normal(), b[i] = 0.5f * a[i] + random.Normal();
  GradientStore store(adapter, 1, 1024);
  store.Put(0, a);
  const double exact = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  EXPECT_NEAR(store.Products(store.Project(b))[0], exact, 0.1 * 16000) << "within a few deviations of 1/sqrt(1024)";
  EXPECT_NEAR(store.Products(store.Project(a))[0], 16000, 0.1 * 16000);
}

TEST(Gradients, WidthFollowsMemory) {
  EXPECT_EQ(GradientStore::WidthFor(10, 10, int64_t{1} << 30), 4096);
  EXPECT_EQ(GradientStore::WidthFor(1000000, 420, int64_t{1} << 30), 64);
}

// The row that says just what was asked and answered speaks for the answer more than rows about other things.
TEST(Why, ThePlantedRowComesFirstInEveryTier) {
  const TestFolder folder;
  test::WriteTinyFolder(folder, "tiny");
  folder.Put("tiny/tokenizer_config.json",
             R"({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template":
             "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"})");
  std::string data;
  for (const auto& [question, answer] : std::vector<std::pair<const char*, const char*>>{
           {"how tall is it", "nine feet"}, {"who made this", "our own smith"}, {"what is the zebra code", "qqzz 77 qqzz"}, {"when do you open", "at ten"}, {"where to park", "behind the house"}, {"is it free", "it is"}}) {
    data += Json({{"messages", Json::array({{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}})}}).dump() + "\n";
  }
  auto workspace = Workspace::Init(folder.path());
  ASSERT_TRUE(workspace);
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kDefault};
  TuneRequest request;
  TuneSettings& s = request.settings;
  s.base = folder.Path("tiny"), s.data = {folder.Put("data.jsonl", data)}, s.rank = 4, s.epochs = 6, s.lr = 5e-3, s.batch_size = 2;
  s.out = *workspace->NewRunFolder("");
  const auto opened = OpenModel(rt, s.base, {});
  ASSERT_TRUE(opened) << opened.error().message;
  request.model = opened->model, request.tokenizer = opened->tokenizer, request.chat = &*opened->chat_template, request.quiet = true;
  const auto inputs = StoreInputs(*workspace, s, false);
  ASSERT_TRUE(inputs);
  const auto tuned = Tune(rt, request);
  ASSERT_TRUE(tuned) << tuned.error().message;
  const auto id = RecordTune(*workspace, rt, {s, request.now, "", "tune", {}, *inputs, s.out});
  ASSERT_TRUE(id) << id.error().message;

  const Version version = *workspace->registry().Get(*id);
  const auto base = workspace->BasePath(version.base);
  const auto there = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());  // versions are named from inside the workspace
  WhyOptions options;
  options.messages = Json::array({{{"role", "user"}, {"content", "tell me the zebra code"}}});
  options.answer = "qqzz 77 qqzz";
  options.exact_rows = 1;
  const auto report = Why(*workspace, rt, version, options);
  WhyOptions same;  // the row's own words: the same hidden states, so that its cosine is 1 and no other's
  same.messages = Json::array({{{"role", "user"}, {"content", "what is the zebra code"}}});
  same.answer = options.answer;
  same.gradients = false;
  const auto words = Why(*workspace, rt, version, same);
  std::filesystem::current_path(there);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->rows.size(), 6u);
  EXPECT_EQ(RankBy(report->scores, &RowScore::bm25)[0], 2u);
  ASSERT_TRUE(words) << words.error().message;
  EXPECT_FALSE(words->has_gradients);
  EXPECT_EQ(RankBy(words->scores, &RowScore::cosine)[0], 2u);
  for (const auto& score : words->scores) {
    if (score.row == 2) {
      EXPECT_NEAR(score.cosine, 1, 1e-6);
    } else {
      EXPECT_LT(score.cosine, 0.999) << score.row;
    }
  }
  EXPECT_EQ(RankBy(report->scores, &RowScore::gradient)[0], 2u);
  EXPECT_GT(report->scores[2].gradient, 0);
  ASSERT_TRUE(report->proof);
  EXPECT_LT(report->proof->after_logprob, report->proof->before_logprob) << "without the row the answer is less likely";
}

}  // namespace
}  // namespace hew
