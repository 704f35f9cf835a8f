// The losses over pairs: TRL's values and gradients (tools/golden/preference.py), and runs that learn to rank.
#include "train/preference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/names.h"
#include "train/learner.h"
#include "train/reference.h"
#include "train/test_support.h"
#include "train/tune.h"

namespace hew {
namespace {

using testing::HasSubstr;

const std::string kModel = HEW_SOURCE_DIR "/tests/golden/tiny_llama";
const std::string kGolden = HEW_SOURCE_DIR "/tests/golden/preference";

TrainingExample ExampleOf(const Json& prompt, const Json& answer) {
  TrainingExample example;
  for (const Json& id : prompt) example.ids.push_back(id.get<int32_t>());
  example.weights.assign(example.ids.size(), 0.0f);
  for (const Json& id : answer) {
    example.ids.push_back(id.get<int32_t>());
    example.weights.push_back(1);
  }
  return example;
}

class PreferenceGolden : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!IsaAvailable(GetParam())) GTEST_SKIP();
    expected_ = *ParseJson(*ReadFile(kGolden + "/expected.json"), "expected.json");
    auto model = LoadModel(rt_, kModel);
    ASSERT_TRUE(model) << model.error().message;
    model_ = *model;
    auto file = SafetensorsFile::Open(kGolden + "/gradients.golden");
    ASSERT_TRUE(file) << file.error().message;
    file_.emplace(std::move(*file));
    LoraConfig config;
    config.rank = expected_["rank"].get<int64_t>();
    config.alpha = expected_["alpha"].get<double>();
    fresh_.emplace(std::move(*LoraAdapter::Create(rt_, config, *model_, 1)));  // B is zero: the base
    adapter_.emplace(std::move(*LoraAdapter::Create(rt_, config, *model_, 1)));
    for (const auto& [name, offset, count] : Ranges()) {
      const std::vector<float> values = Floats(name);
      ASSERT_EQ(values.size(), count) << name;
      std::copy(values.begin(), values.end(), adapter_->parameters.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    adapter_->Pack(rt_, *model_);
  }

  struct Range {
    std::string name;
    size_t offset, count;
  };
  std::vector<Range> Ranges() const {
    std::vector<Range> ranges;
    const FileLayout& layout = *FindArchitecture("llama")->layout;
    for (const LoraModule& m : fresh_->modules) {
      std::string module = HfTensorName(layout, ModuleOf(layout, m.projection), m.layer, "");
      module.pop_back();
      ranges.push_back({module + ".lora_A", m.a_offset, static_cast<size_t>(m.rank * m.in)});
      ranges.push_back({module + ".lora_B", m.b_offset, static_cast<size_t>(m.out * m.rank)});
    }
    return ranges;
  }
  std::vector<float> Floats(const std::string& name) const {
    const TensorEntry* entry = file_->Find(name);
    if (!entry) return {};
    std::vector<float> values(entry->bytes.size() / sizeof(float));
    std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
    return values;
  }

  void Check(const std::string& name, const PackOptions& packing);

  ThreadPool pool_{2};
  Runtime rt_{&pool_, GetParam(), Precision::kFp32};
  Json expected_;
  std::shared_ptr<const Model> model_;
  std::optional<SafetensorsFile> file_;
  std::optional<LoraAdapter> fresh_, adapter_;
};

// One step over the case's pairs, in as many batches as `packing` makes of them.
void PreferenceGolden::Check(const std::string& name, const PackOptions& packing) {
  const Json& of = expected_["cases"][name];
  Dataset data;
  data.pairs = true;
  for (const Json& pair : of["pairs"]) {
    for (const char* side : {"chosen", "rejected"}) data.examples.push_back(ExampleOf(pair["prompt"], pair[side]));
  }
  const auto source = MakeExampleSource(data, {.shuffle = false}, packing);
  const StepBatches all = *source->All();
  PairLosses losses{PreferenceLoss(*MethodFromName(of["method"].get<std::string>()), of["beta"].get<double>()),
                    PreferenceLoss(Method::kDpo, 1)};
  const size_t pairs = of["pairs"].size();
  if (of.contains("reference")) {  // TRL's order: all chosen, then all rejected
    std::vector<double> reference(2 * pairs), found(2 * pairs);
    std::vector<float> token_losses;
    for (size_t i = 0; i < pairs; ++i) {
      reference[2 * i] = of["reference"][i].get<double>();
      reference[2 * i + 1] = of["reference"][pairs + i].get<double>();
    }
    for (const PackedBatch& batch : all.batches) {
      Loss(rt_, *model_, &*fresh_, batch, &token_losses);
      AddLogProbs(batch, token_losses, found);
    }
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], reference[i], 1e-4) << i;
    losses.train.SetReference(std::move(found));
    losses.eval = losses.train;
  } else {
    losses.eval = losses.train;
  }
  const auto learner = MakePreferenceLearner(rt_, *model_, 0, {}, false, &*adapter_, losses);
  std::vector<float> gradient(adapter_->parameters.size());
  BatchLoss sum, measured;
  for (size_t b = 0; b < all.batches.size(); ++b) {
    sum += learner->Gradients(all.batches[b], 0, b, all.totals, gradient);
    measured += learner->LossOf(all.batches[b], all.totals);
  }
  EXPECT_NEAR(sum.sum.loss / sum.sum.weight, of["loss"].get<double>(), 1e-4) << name;
  EXPECT_NEAR(measured.sum.loss, sum.sum.loss, 1e-6) << name;
  const auto n = static_cast<double>(pairs);
  const Json& metrics = of["metrics"];
  EXPECT_NEAR(sum.pairs.chosen / n, metrics["rewards/chosen"].get<double>(), 1e-4) << name;
  EXPECT_NEAR(sum.pairs.rejected / n, metrics["rewards/rejected"].get<double>(), 1e-4) << name;
  EXPECT_NEAR((sum.pairs.chosen - sum.pairs.rejected) / n, metrics["rewards/margins"].get<double>(), 1e-4) << name;
  EXPECT_NEAR(static_cast<double>(sum.pairs.right) / n, metrics["rewards/accuracies"].get<double>(), 1e-6) << name;
  for (const auto& [module, offset, count] : Ranges()) {
    const std::vector<float> expected = Floats(name + "." + module);
    ASSERT_EQ(expected.size(), count) << module;
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; ++i) {
      difference += std::pow(static_cast<double>(gradient[offset + i]) - expected[i], 2);
      norm += std::pow(static_cast<double>(expected[i]), 2);
    }
    EXPECT_GT(norm, 1e-8);
    EXPECT_LT(std::sqrt(difference / norm), 1e-4) << name << " " << module;
  }
}

TEST_P(PreferenceGolden, ValuesAndGradientsAreTrls) {
  for (const char* name : {"dpo", "orpo", "orpo_answers"}) {
    Check(name, {1024, true, true});  // one batch, questions shared
    Check(name, {1024, false, true});
    Check(name, {1, true, false});  // a batch for each pair
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, PreferenceGolden, testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvx512),
                         [](const auto& info) { return std::string(NameOf(info.param)); });

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
