// Every family as a tiny random model: its folder and PEFT's adapter on it against Transformers' logits and PyTorch's
// gradients, then through GGUF and back, merged, and with the adapter in every format (tools/golden/families.py).
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "formats/safetensors.h"
#include "model/names.h"
#include "model/save.h"
#include "model/tensors.h"
#include "model/test_util.h"

namespace hew {
namespace {

const std::string kGolden = HEW_SOURCE_DIR "/tests/golden/families";

std::vector<std::string> Families() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<float> Floats(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.Find(name);
  if (!entry) return {};
  std::vector<float> values(entry->bytes.size() / sizeof(float));
  std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
  return values;
}

// ||a - b|| / ||b||
double Distance(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - b[i], 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

class FamiliesTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto json = ParseJson(*ReadFile(kGolden + "/documents.json"), "documents.json");
    ASSERT_TRUE(json);
    documents_ = (*json)["documents"].get<std::vector<std::vector<int32_t>>>();
    learned_ = (*json)["learned"].get<std::vector<std::vector<int32_t>>>();
    auto expected = SafetensorsFile::Open(path_ + "/expected.golden");
    ASSERT_TRUE(expected) << expected.error().message;
    expected_ = *std::move(expected);
    model_ = Load(path_);
    ASSERT_NE(model_, nullptr);
  }
  std::shared_ptr<const Model> Load(const std::string& path) {
    auto model = LoadModel(rt_, path);
    EXPECT_TRUE(model) << model.error().message;
    return model ? *model : nullptr;
  }
  LoraAdapter Adapter(const std::string& path, const Model& base) {
    auto adapter = LoadAdapter(rt_, path, base);
    EXPECT_TRUE(adapter) << adapter.error().message;
    return adapter ? *std::move(adapter) : LoraAdapter();
  }
  std::vector<float> Logits(const Runtime& rt, const Model& model, std::span<const LoraAdapter* const> adapters) {
    std::vector<float> all;
    for (const auto& ids : documents_) {
      const Matrix logits = test::LogitsOf(rt, model, adapters, ids);
      all.insert(all.end(), logits.view().f32(), logits.view().f32() + logits.row_count() * model.config.vocab_size);
    }
    return all;
  }
  std::vector<float> Logits(const Model& model) { return Logits(rt_, model, {}); }
  std::vector<float> Logits(const Model& model, const LoraAdapter& adapter) {
    const LoraAdapter* const adapters[] = {&adapter};
    return Logits(rt_, model, adapters);
  }
  // Both documents in one batch, with the learned rows of the script.
  PackedBatch Batch() const {
    PackedBatch batch = test::PackDocuments(documents_);
    batch.learned_rows.clear();
    batch.targets.clear();
    for (size_t d = 0; d < documents_.size(); ++d) {
      for (int32_t row : learned_[d]) {
        batch.learned_rows.push_back(static_cast<int32_t>(batch.segments[d].begin) + row);
        batch.targets.push_back(documents_[d][static_cast<size_t>(row) + 1]);
      }
    }
    batch.weights.assign(batch.targets.size(), 1.0f);
    return batch;
  }
  // The gradients of the adapter, as the file's modules have them: the parts of a fused one share A, so its gradient is
  // the sum of theirs, and their rows of B and m follow one another.
  std::map<std::string, std::vector<float>> ByModule(const LoraAdapter& adapter, std::span<const float> values) {
    const FileLayout& layout = *ArchitectureOf(model_->config).layout;
    std::map<std::string, std::vector<float>> result;
    for (const LoraModule& m : adapter.modules) {
      const std::string module =
          "base_model.model." + HfTensorName(layout, ModuleOf(layout, m.projection), m.layer, "lora_");
      std::vector<float>& a = result[module + "A.weight"];
      a.resize(static_cast<size_t>(m.rank * m.in));
      for (size_t i = 0; i < a.size(); ++i) a[i] += values[m.a_offset + i];
      const auto append = [&](std::vector<float>& to, size_t offset, int64_t count) {
        const auto part = values.subspan(offset, static_cast<size_t>(count));
        to.insert(to.end(), part.begin(), part.end());
      };
      append(result[module + "B.weight"], m.b_offset, m.out * m.rank);
      if (adapter.config.dora) append(result[module + "magnitude_vector.weight"], m.magnitude_offset, m.out);
    }
    return result;
  }

  const std::string path_ = kGolden + "/" + GetParam();
  ThreadPool pool_{2};
  Runtime rt_{&pool_, BestIsa(), Precision::kFp32};
  SafetensorsFile expected_;
  std::shared_ptr<const Model> model_;
  std::vector<std::vector<int32_t>> documents_, learned_;
};

TEST_P(FamiliesTest, LogitsAreTransformers) {
  for (const Runtime& rt : test::AllRuntimes(pool_)) {
    const double tolerance = rt.bf16() ? 0.03 : 2e-6;
    EXPECT_LT(Distance(Logits(rt, *model_, {}), Floats(expected_, "logits")), tolerance) << test::Describe(rt);
    LoraAdapter packed = Adapter(path_ + "/adapter", *model_);
    packed.Pack(rt, *model_);
    const LoraAdapter* const these[] = {&packed};
    EXPECT_LT(Distance(Logits(rt, *model_, these), Floats(expected_, "adapted_logits")), tolerance)
        << test::Describe(rt);
  }
}

TEST_P(FamiliesTest, GradientsArePyTorchs) {
  const auto text = ParseJson(*ReadFile(path_ + "/expected.json"), "expected.json");
  ASSERT_TRUE(text);
  for (const Runtime& rt : test::AllRuntimes(pool_)) {
    LoraAdapter adapter = Adapter(path_ + "/adapter", *model_);
    adapter.Pack(rt, *model_);
    std::vector<float> gradients(adapter.parameters.size());
    const LossSum loss = LossAndGradients(rt, *model_, adapter, Batch(), {}, 1, gradients);
    const double expected_loss = (*text)["loss"].get<double>();
    EXPECT_NEAR(loss.loss, expected_loss, expected_loss * (rt.bf16() ? 0.01 : 2e-6)) << test::Describe(rt);
    size_t compared = 0;
    for (const auto& [name, values] : ByModule(adapter, gradients)) {
      const std::vector<float> expected = Floats(expected_, "gradient." + name);
      ASSERT_FALSE(expected.empty()) << name;
      EXPECT_LT(Distance(values, expected), rt.bf16() ? 0.2 : 2e-5) << test::Describe(rt) << " " << name;
      compared += values.size();
    }
    EXPECT_GT(compared, 1000u);
  }
}

// What is said of a model without reading its weights is what reading them gives.
TEST_P(FamiliesTest, OutlineIsTheModels) {
  const auto outline = OutlineModel(rt_, path_);
  ASSERT_TRUE(outline) << outline.error().message;
  EXPECT_EQ(outline->memory_bytes, model_->memory_bytes());
  EXPECT_EQ(ParameterCount(outline->config), model_->parameter_count());
  EXPECT_EQ(outline->config.has_bias, model_->config.has_bias);
  int64_t experts = 0, active = 0;
  for (const LayerWeights& layer : model_->layers) {
    for (const Expert& expert : layer.experts) {
      for (const Weight& w : expert.projections) experts += w.rows * w.cols;
    }
  }
  if (experts > 0) active = experts / model_->config.num_experts * model_->config.num_experts_per_tok;
  EXPECT_EQ(ActiveParameterCount(outline->config), model_->parameter_count() - experts + active);
}

// One sequence row by row, in slices, and whole: the same bits, also beyond windows and in long sequences.
TEST_P(FamiliesTest, BitsDoNotDependOnSlices) {
  const std::vector<int32_t>& ids = documents_[1];
  for (const Runtime& rt : test::AllRuntimes(pool_)) {
    const Matrix whole = test::LogitsOf(rt, *model_, {}, ids);
    KvCache cache(rt, model_->config, static_cast<int64_t>(ids.size()));
    for (size_t begin = 0, rows = 1; begin < ids.size(); begin += rows, rows = begin < 10 ? 1 : 7) {
      rows = std::min(rows, ids.size() - begin);
      const SequenceRows slice{std::span(ids).subspan(begin, rows), &cache};
      const Matrix hidden = DecoderForward(rt, *model_, {}, {&slice, 1});
      Matrix logits(DType::kF32, hidden.row_count(), model_->config.vocab_size);
      ComputeLogits(rt, *model_, hidden.view(), logits.view());
      EXPECT_EQ(std::memcmp(logits.view().f32(), whole.view().f32(static_cast<int64_t>(begin)), logits.bytes()), 0)
          << test::Describe(rt) << ", rows from " << begin;
    }
  }
}

// The folder with a tokenizer beside it, so that whole models can be written.
class FamilyFilesTest : public FamiliesTest {
 protected:
  void SetUp() override {
    FamiliesTest::SetUp();
    ASSERT_TRUE(MakeFolder(folder_.Path("base")));
    for (const char* name : {"config.json", "model.safetensors"})
      std::filesystem::copy(std::filesystem::path(path_) / name, folder_.Path("base"));
    folder_.Put("base/tokenizer.json", test::SixtyTokens().dump());
    folder_.Put("base/tokenizer_config.json", R"({"eos_token": {"content": "<|end|>"}})");
    base_ = Load(folder_.Path("base"));
    ASSERT_NE(base_, nullptr);
  }
  std::string Saved(const Model& model, std::span<const LoraAdapter* const> adapters, const std::string& name,
                    std::optional<FileType> type) {
    SaveOptions options;
    options.type = type;
    const auto saved = SaveModel(rt_, model, adapters, folder_.Path(name), options);
    EXPECT_TRUE(saved) << saved.error().message;
    return folder_.Path(name);
  }

  TestFolder folder_;
  std::shared_ptr<const Model> base_;
};

TEST_P(FamilyFilesTest, GgufAndBackIsTheSameModel) {
  const std::vector<float> expected = Logits(*base_);
  const auto gguf = Load(Saved(*base_, {}, "a.gguf", std::nullopt));
  ASSERT_NE(gguf, nullptr);
  // Rotary divisors and bases are fp32 in a GGUF file.
  EXPECT_LT(Distance(Logits(*gguf), expected), 1e-6);
  EXPECT_EQ(gguf->config.model_type, base_->config.model_type);
  const auto outline = OutlineModel(rt_, folder_.Path("a.gguf"));
  ASSERT_TRUE(outline) << outline.error().message;
  EXPECT_EQ(outline->memory_bytes, gguf->memory_bytes());
  const auto folder = Load(Saved(*gguf, {}, "again", std::nullopt));
  ASSERT_NE(folder, nullptr);
  EXPECT_LT(Distance(Logits(*folder), expected), 1e-6);
  EXPECT_EQ(folder->parameter_count(), base_->parameter_count());
  const auto twice = Load(Saved(*folder, {}, "twice.gguf", std::nullopt));
  ASSERT_NE(twice, nullptr);
  EXPECT_LT(Distance(Logits(*twice), expected), 1e-6);
}

TEST_P(FamilyFilesTest, MergedIsBaseAndAdapter) {
  const LoraAdapter adapter = Adapter(path_ + "/adapter", *base_);
  const LoraAdapter* const adapters[] = {&adapter};
  const std::vector<float> expected = Floats(expected_, "adapted_logits");
  for (const char* name : {"merged.gguf", "merged"}) {
    const auto merged = Load(Saved(*base_, adapters, name, DType::kF32));
    ASSERT_NE(merged, nullptr);
    EXPECT_LT(Distance(Logits(*merged), expected), 5e-6) << name;
  }
}

TEST_P(FamilyFilesTest, AdaptersKeepTheirMeaningInBothFormats) {
  const LoraAdapter adapter = Adapter(path_ + "/adapter", *base_);
  ASSERT_TRUE(SavePeftAdapter(adapter, *base_, folder_.Path("peft")));
  const LoraAdapter peft = Adapter(folder_.Path("peft"), *base_);
  EXPECT_EQ(peft.parameters, adapter.parameters);
  EXPECT_EQ(peft.config.rank, adapter.config.rank);
  // Trained on, the parts of a fused module have different A.
  LoraAdapter trained = Adapter(path_ + "/adapter", *base_);
  Random random{4, 0, 0};
  for (float& v : trained.parameters) v *= 1 + 0.3f * random.Normal();
  trained.Pack(rt_, *base_);
  const std::vector<float> expected = Logits(*base_, trained);
  EXPECT_GT(Distance(expected, Logits(*base_, adapter)), 0.01);
  ASSERT_TRUE(SavePeftAdapter(trained, *base_, folder_.Path("trained")));
  EXPECT_LT(Distance(Logits(*base_, Adapter(folder_.Path("trained"), *base_)), expected), 2e-6);
  if (adapter.config.dora) return;
  ASSERT_TRUE(SaveGgufAdapter(adapter, *base_, folder_.Path("a.gguf")));
  EXPECT_EQ(Adapter(folder_.Path("a.gguf"), *base_).parameters, adapter.parameters);
  ASSERT_TRUE(SaveGgufAdapter(trained, *base_, folder_.Path("trained.gguf")));
  EXPECT_LT(Distance(Logits(*base_, Adapter(folder_.Path("trained.gguf"), *base_)), expected), 2e-6);
}

const auto kNameOf = [](const auto& info) { return info.param; };
INSTANTIATE_TEST_SUITE_P(Every, FamiliesTest, testing::ValuesIn(Families()), kNameOf);
INSTANTIATE_TEST_SUITE_P(Every, FamilyFilesTest, testing::ValuesIn(Families()), kNameOf);

}  // namespace
}  // namespace hew
