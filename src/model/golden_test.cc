// A tiny Llama as a Hugging Face folder against Transformers' logits and PEFT's gradients (tools/golden/tiny_llama.py).
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "model/names.h"
#include "model/test_util.h"

namespace hew {
namespace {

const std::string kFolder = HEW_SOURCE_DIR "/tests/golden/tiny_llama";

class GoldenTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!IsaAvailable(GetParam())) GTEST_SKIP();
    const auto text = ReadFile(kFolder + "/expected.json");
    ASSERT_TRUE(text);
    auto json = ParseJson(*text, "expected.json");
    ASSERT_TRUE(json) << json.error().message;
    expected_ = *json;
    auto model = LoadModel(rt_, kFolder);
    ASSERT_TRUE(model) << model.error().message;
    model_ = *model;
    documents_ = expected_["documents"].get<std::vector<std::vector<int32_t>>>();
  }

  // Both documents in one batch, with the learned rows of the script.
  PackedBatch Batch() const {
    PackedBatch batch = test::PackDocuments(documents_);
    batch.learned_rows.clear();
    batch.targets.clear();
    for (size_t d = 0; d < documents_.size(); ++d) {
      for (const Json& row : expected_["learned"][d]) {
        const int32_t at = static_cast<int32_t>(batch.segments[d].begin) + row.get<int32_t>();
        batch.learned_rows.push_back(at);
        batch.targets.push_back(batch.ids[static_cast<size_t>(at) + 1]);
      }
    }
    batch.weights.assign(batch.targets.size(), 1.0f);
    return batch;
  }

  LoraAdapter MakeAdapter(const Json& variant) const {
    LoraConfig config;
    config.rank = variant["rank"].get<int64_t>();
    config.alpha = variant["alpha"].get<double>();
    config.rslora = variant["rslora"].get<bool>();
    config.dora = variant["dora"].get<bool>();
    config.targets.clear();
    for (const Json& target : variant["targets"])
      config.targets.push_back(*ProjectionFromModule(target.get<std::string>()));
    auto adapter = LoraAdapter::Create(rt_, config, *model_, 1);
    EXPECT_TRUE(adapter);
    return *std::move(adapter);
  }

  ThreadPool pool_{2};
  Runtime rt_{&pool_, GetParam(), Precision::kFp32};
  Json expected_;
  std::shared_ptr<const Model> model_;
  std::vector<std::vector<int32_t>> documents_;
};

// The module's three tensors, in the file's spelling: prefix + "model.layers.0.mlp.up_proj" + ".lora_A".
struct NamedRange {
  std::string suffix;
  size_t offset, count;
};
std::vector<NamedRange> RangesOf(const LoraModule& m, bool dora) {
  std::vector<NamedRange> ranges = {{".lora_A", m.a_offset, static_cast<size_t>(m.rank * m.in)},
                                    {".lora_B", m.b_offset, static_cast<size_t>(m.out * m.rank)}};
  if (dora) ranges.push_back({".lora_magnitude_vector", m.magnitude_offset, static_cast<size_t>(m.out)});
  return ranges;
}

std::string ModuleOfProjection(const LoraModule& m) {
  const FileLayout& layout = *FindArchitecture("llama")->layout;
  std::string name = HfTensorName(layout, ModuleOf(layout, m.projection), m.layer, "");
  name.pop_back();
  return name;
}

std::vector<float> Floats(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.Find(name);
  EXPECT_NE(entry, nullptr) << name;
  if (!entry) return {};
  std::vector<float> values(entry->bytes.size() / sizeof(float));
  std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
  return values;
}

TEST_P(GoldenTest, LogitsAreTransformers) {
  auto file = SafetensorsFile::Open(kFolder + "/logits.golden");
  ASSERT_TRUE(file) << file.error().message;
  const std::vector<float> expected = Floats(*file, "logits");
  size_t at = 0;
  for (const auto& ids : documents_) {
    const Matrix logits = test::LogitsOf(rt_, *model_, {}, ids);
    for (int64_t i = 0; i < logits.row_count(); ++i) {
      for (int64_t j = 0; j < model_->config.vocab_size; ++j)
        ASSERT_NEAR(logits.view().f32(i)[j], expected[at++], 1e-5);
    }
  }
  EXPECT_EQ(at, expected.size());
  EXPECT_NEAR(Loss(rt_, *model_, nullptr, Batch()).loss, expected_["loss"].get<double>(), 1e-4);
}

TEST_P(GoldenTest, GradientsArePefts) {
  for (const auto& [name, variant] : expected_["variants"].items()) {
    auto file = SafetensorsFile::Open(kFolder + "/" + name + ".golden");
    ASSERT_TRUE(file) << file.error().message;
    LoraAdapter adapter = MakeAdapter(variant);
    for (const LoraModule& m : adapter.modules) {
      for (const NamedRange& range : RangesOf(m, adapter.config.dora)) {
        const std::string module = ModuleOfProjection(m);
        const std::vector<float> values = Floats(*file, module + range.suffix);
        ASSERT_EQ(values.size(), range.count);
        std::copy(values.begin(), values.end(), adapter.parameters.begin() + static_cast<ptrdiff_t>(range.offset));
      }
    }
    adapter.Pack(rt_, *model_);
    std::vector<float> gradients(adapter.parameters.size());
    const LossSum loss = LossAndGradients(rt_, *model_, adapter, Batch(), {}, 1, gradients);
    EXPECT_NEAR(loss.loss, variant["loss"].get<double>(), 1e-4) << name;
    EXPECT_NEAR(Loss(rt_, *model_, &adapter, Batch()).loss, loss.loss, 1e-9) << name;
    for (const LoraModule& m : adapter.modules) {
      for (const NamedRange& range : RangesOf(m, adapter.config.dora)) {
        const std::string module = ModuleOfProjection(m);
        const std::vector<float> expected = Floats(*file, "gradient." + module + range.suffix);
        ASSERT_EQ(expected.size(), range.count);
        double difference = 0, norm = 0;
        for (size_t i = 0; i < range.count; ++i) {
          difference += std::pow(static_cast<double>(gradients[range.offset + i]) - expected[i], 2);
          norm += std::pow(static_cast<double>(expected[i]), 2);
        }
        EXPECT_LT(std::sqrt(difference / norm), 1e-4) << name << " " << module << range.suffix;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, GoldenTest, testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvx512),
                         [](const auto& info) { return std::string(NameOf(info.param)); });

}  // namespace
}  // namespace hew
