// The losses over pairs: TRL's values and gradients (tools/golden/preference.py).

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/names.h"
#include "train/learner.h"
#include "train/preference.h"
#include "train/reference.h"
#include "train/step_source.h"

namespace hew {
namespace {

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
  const auto learner = MakeLoraLearner(rt_, *model_, 0, {}, false, &*adapter_, {losses.train, losses.eval});
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

}  // namespace
}  // namespace hew
