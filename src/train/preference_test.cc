// Runs that learn to rank answers, and what a loss over whole answers does to the pass.
#include "train/preference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "train/packer.h"
#include "train/reference.h"
#include "train/test_support.h"
#include "train/tune.h"

namespace hew {
namespace {

using testing::HasSubstr;

// A weight of the pass is of any sign, and zero; the rows' gradients are those of the rows alone, weighed.
TEST(SequenceLoss, WeighsRowsByWhatItGives) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const auto model = TinyModel(rt);
  LoraConfig config;
  config.rank = 4;
  LoraAdapter adapter = std::move(*LoraAdapter::Create(rt, config, *model, 1));
  Random random{5, 5, 0};
  for (auto& p : adapter.parameters) p += 0.05f * random.Normal();
  adapter.Pack(rt, *model);
  TrainingExample example;
  for (int i = 0; i < 12; ++i) example.ids.push_back(static_cast<int32_t>(random.Below(250)));
  example.weights.assign(12, 1.0f);
  example.weights[0] = 0;
  PackedBatch batch = Pack(std::vector{example}, std::vector<int64_t>{0}, {})[0];
  const size_t rows = batch.learned_rows.size();
  std::vector<float> weights(rows), plain(adapter.parameters.size()), weighed = plain;
  for (size_t i = 0; i < rows; ++i) weights[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? -0.7f : 1.3f;
  batch.weights = weights;  // the plain pass takes weights of any sign, too
  const LossSum expected = LossAndGradients(rt, *model, adapter, batch, {}, 0.5f, plain);
  batch.weights.assign(rows, 1.0f);
  const LossSum found = LossAndGradients(rt, *model, adapter, batch, {}, 0.5f, weighed, nullptr,
                                         [&](std::span<const float> losses, std::span<float> out) {
                                           LossSum sum;
                                           for (size_t i = 0; i < losses.size(); ++i) {
                                             sum.loss += static_cast<double>(weights[i]) * losses[i];
                                             sum.weight += weights[i];
                                             out[i] = weights[i];
                                           }
                                           return sum;
                                         });
  EXPECT_DOUBLE_EQ(found.loss, expected.loss);
  double difference = 0, norm = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    difference += std::pow(static_cast<double>(plain[i]) - weighed[i], 2);
    norm += std::pow(static_cast<double>(plain[i]), 2);
  }
  EXPECT_GT(norm, 1e-8);
  EXPECT_LT(std::sqrt(difference / norm), 1e-5);
}

std::string Pairs(int begin, int end) {
  std::string out;
  for (int i = begin; i < end; ++i) {
    out += fmt::format(
        "{{\"prompt\": \"a common beginning, then question {}?\", \"chosen\": \"yes {}\", \"rejected\": \"nope "
        "{}\"}}\n",
        i, i % 5, (i + 2) % 5);
  }
  return out;
}

class PreferenceRun : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder(testing::UnitTest::GetInstance()->current_test_info()->name());
    data_ = WriteTestFile(folder_, "pairs.jsonl", Pairs(0, 13));
    eval_ = WriteTestFile(folder_, "held_out.jsonl", Pairs(20, 26));
  }
  TuneRequest Request(const std::string& out, const std::string& method) const {
    TuneRequest request;
    request.settings.base = "tiny";
    request.settings.method = method;
    request.settings.data = {data_};
    request.settings.eval_data = {eval_};
    request.settings.out = folder_ + "/" + out;
    request.settings.rank = 4;
    request.settings.lr = 5e-3;
    request.settings.batch_size = 4;
    request.settings.epochs = 6;
    request.quiet = true;
    request.tokenizer = std::make_shared<ByteTokenizer>();
    return request;
  }
  static Result<TuneReport> Run(TuneRequest request) {
    const ThreadPool pool(2);
    const Runtime rt{&pool, BestIsa(), Precision::kDefault};
    request.model = TinyModel(rt);
    return Tune(rt, request);
  }
  std::string File(const std::string& out, const char* name) const {
    return *ReadFile(folder_ + "/" + out + "/" + name);
  }
  std::vector<Json> Metrics(const std::string& out) const {
    std::vector<Json> lines;
    std::istringstream text(File(out, kMetricsFile));
    for (std::string line; std::getline(text, line);) {
      lines.push_back(Json::parse(line));
      lines.back().erase("seconds");
      lines.back().erase("tokens_per_s");
    }
    return lines;
  }
  std::string ErrorOf(const TuneRequest& request) const {
    const auto report = Run(request);
    return report ? "ran" : report.error().message;
  }

  std::string folder_, data_, eval_;
};

TEST_F(PreferenceRun, LearnsToRankHeldOutPairs) {
  for (const char* method : {"dpo", "orpo"}) {
    TuneRequest request = Request(method, method);
    std::string said;
    request.say = [&](const std::string& line) { said += line + "\n"; };
    const auto report = Run(request);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(said, HasSubstr("13 pairs"));
    EXPECT_THAT(said, HasSubstr("?[[yes"));
    EXPECT_THAT(said, HasSubstr("?[[nope"));
    const auto lines = Metrics(method);
    std::vector<Json> evals;
    for (const Json& line : lines) {
      if (line.contains("eval_loss")) evals.push_back(line);
    }
    ASSERT_EQ(evals.size(), 6u);
    EXPECT_LT(evals.back()["eval_loss"], evals.front()["eval_loss"]) << method;
    EXPECT_GT(evals.back()["eval_rewards/margins"], evals.front()["eval_rewards/margins"]) << method;
    EXPECT_EQ(evals.back()["eval_rewards/accuracies"], 1.0) << method;
    ASSERT_TRUE(report->eval_rewards);
    EXPECT_EQ(report->eval_rewards->accuracies, 1.0);
    EXPECT_EQ(report->eval_rows, 6);
    EXPECT_EQ(report->eval_rows_in_training, 0);
    const double margin = lines[0]["rewards/chosen"].get<double>() - lines[0]["rewards/rejected"].get<double>();
    EXPECT_NEAR(lines[0]["rewards/margins"].get<double>(), margin, 1e-12);
    if (std::string(method) == "dpo") {  // at the first step the model is its own reference
      EXPECT_NEAR(lines[0]["loss"].get<double>(), std::log(2.0), 1e-6);
      EXPECT_EQ(margin, 0);
    }
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/" + method + "/" + kReferenceFile));
    EXPECT_THAT(File(method, kRecipeFile), HasSubstr(fmt::format("method = \"{}\"", method)));
  }
}

// The reference is the model as the run began: with the adapter that it goes on from.
TEST_F(PreferenceRun, GoesOnFromAnAdapterThatIsItsReference) {
  ASSERT_TRUE(Run(Request("first", "orpo")));
  TuneRequest second = Request("second", "dpo");
  second.settings.init_adapter = folder_ + "/first";
  ASSERT_TRUE(Run(second));
  const auto lines = Metrics("second");
  EXPECT_NEAR(lines[0]["loss"].get<double>(), std::log(2.0), 1e-6);
  EXPECT_EQ(lines[0]["rewards/margins"], 0.0);
  EXPECT_GT(lines[3]["rewards/margins"], 0.0);
}

TEST_F(PreferenceRun, StoppedAndResumedGivesTheSameBits) {
  for (const char* method : {"dpo", "orpo"}) {
    TuneRequest whole = Request(std::string(method) + "-whole", method),
                stopped = Request(std::string(method) + "-stopped", method);
    whole.settings.dropout = stopped.settings.dropout = 0.1;
    ASSERT_TRUE(Run(whole));
    std::atomic<bool> cancel{false};
    stopped.cancel = &cancel;
    stopped.on_step = [&](const StepMetrics& m) { cancel = m.step == 6; };
    ASSERT_THAT(ErrorOf(stopped), HasSubstr("stopped after step 6 of 24"));
    EXPECT_EQ(std::filesystem::exists(stopped.settings.out + "/" + kReferenceFile), std::string(method) == "dpo");
    cancel = false;
    stopped.on_step = nullptr;
    stopped.resume = true;
    const auto report = Run(stopped);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(Metrics(std::string(method) + "-whole"), Metrics(std::string(method) + "-stopped"));
    EXPECT_EQ(File(std::string(method) + "-whole", "adapter_model.safetensors"),
              File(std::string(method) + "-stopped", "adapter_model.safetensors"));
    EXPECT_EQ(
        report->eval_rewards->margins,
        Json::parse(File(std::string(method) + "-whole", kRunFile))["report"]["eval_rewards/margins"].get<double>());
  }
}

TEST_F(PreferenceRun, LearnsTheSameHoweverPairsLie) {
  const auto expected = Run(Request("all", "dpo"));
  ASSERT_TRUE(expected);
  for (const char* technique : {"packing", "prefix-sharing", "learned-rows"}) {
    TuneRequest without = Request(technique, "dpo");
    without.settings.without = {technique};
    const auto found = Run(without);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_NEAR(found->train_loss, expected->train_loss, 3e-2 * expected->train_loss) << technique;
  }
}

TEST_F(PreferenceRun, RowsOfTheOtherKindAreRefused) {
  TuneRequest request = Request("refused", "sft");
  EXPECT_THAT(ErrorOf(request), AllOf(HasSubstr("pairs.jsonl:1: expected rows to imitate, found a preference pair"),
                                      HasSubstr("--method dpo or orpo")));
  request = Request("refused", "dpo");
  request.settings.data = {WriteTestFile(folder_, "rows.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n")};
  EXPECT_THAT(
      ErrorOf(request),
      AllOf(HasSubstr("rows.jsonl:1: expected a preference pair (prompt, chosen and rejected), found a row to imitate"),
            HasSubstr("--method sft")));
  request.settings.data = {WriteTestFile(folder_, "text.txt", "only text\n")};
  EXPECT_THAT(ErrorOf(request), HasSubstr("found plain text"));
  request = Request("refused", "dpo");
  request.settings.format = "chat";
  EXPECT_THAT(ErrorOf(request), HasSubstr("format: expected preference"));
  request = Request("refused", "kto");
  EXPECT_THAT(ErrorOf(request), HasSubstr("method: expected one of sft|dpo|orpo, found 'kto'"));
  request = Request("refused", "dpo");
  request.settings.beta = 0;
  EXPECT_THAT(ErrorOf(request), HasSubstr("beta: expected a number above 0"));
}

}  // namespace
}  // namespace hew
