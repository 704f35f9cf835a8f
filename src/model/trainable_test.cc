#include "model/trainable.h"

#include <cmath>
#include <filesystem>

#include "model/test_util.h"

namespace hew {
namespace {

using test::AllRuntimes;
using test::Describe;
using test::PackDocuments;
using test::RandomIds;
using test::TinyModel;

PackedBatch TwoDocuments() {
  PackedBatch batch = PackDocuments({RandomIds(20, 9, 70), RandomIds(21, 14, 70)});
  for (size_t i = 0; i < batch.weights.size(); ++i) batch.weights[i] = i % 3 == 0 ? 0.5f : 1.0f;
  return batch;
}

double NormOf(std::span<const float> x) {
  double sum = 0;
  for (float v : x) sum += static_cast<double>(v) * v;
  return std::sqrt(sum);
}

std::string NameOf(const TrainableTensor& t) {
  const std::string what = t.part.projection ? std::string(ModuleName(*t.part.projection))
                                             : "tensor " + std::to_string(static_cast<int>(t.part.tensor));
  return std::to_string(t.part.layer) + "." + what + (t.part.bias ? ".bias" : "");
}

// For every tensor: the slope of the loss along its gradient, a random direction mixed in.
TEST(FullTraining, GradientIsTheSlopeOfTheLossInEveryFamily) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  const PackedBatch batch = TwoDocuments();
  for (const test::Variation& variation : test::DenseVariations()) {
    TrainableModel trainable = TrainableModel::From(rt, TinyModel(pool, {DType::kF32}, 3, variation.change));
    const std::vector<float> start = trainable.parameters;
    std::vector<float> gradients(start.size());
    FullLossAndGradients(rt, trainable, batch, 1, gradients);
    Random random{5, 0, 0};
    for (const TrainableTensor& t : trainable.layout().tensors()) {
      SCOPED_TRACE(std::string(variation.name) + " " + NameOf(t));
      const std::span<const float> gradient = std::span(gradients).subspan(t.offset, t.size());
      // A bias of the keys moves all scores of a query alike, where positions do not turn it.
      const double norm = NormOf(gradient);
      if (norm < 1e-3) {
        EXPECT_TRUE(t.part.projection == Projection::kK && t.part.bias) << norm;
        continue;
      }
      std::vector<float> direction(t.size());
      double expected = 0;
      for (size_t i = 0; i < t.size(); ++i) {
        direction[i] =
            static_cast<float>(gradient[i] / norm) + 0.3f * random.Normal() / std::sqrt(static_cast<float>(t.size()));
        expected += static_cast<double>(gradient[i]) * direction[i];
      }
      const auto loss_at = [&](double step) {
        trainable.parameters = start;
        for (size_t i = 0; i < t.size(); ++i)
          trainable.parameters[t.offset + i] += static_cast<float>(step) * direction[i];
        trainable.Pack(rt);
        return Loss(rt, trainable.model(), nullptr, batch).loss;
      };
      const double h = std::min(0.02, 0.2 / norm);
      const double slope = (8 * (loss_at(h) - loss_at(-h)) - (loss_at(2 * h) - loss_at(-2 * h))) / (12 * h);
      EXPECT_NEAR(slope, expected, 5e-3 * norm + 2e-3) << "of length " << norm;
    }
  }
}

// tools/golden/full_gradients.py
TEST(FullTraining, GradientsArePyTorchs) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  for (const char* name : {"tiny_llama", "families/gpt2", "families/gemma3", "families/qwen3"}) {
    SCOPED_TRACE(name);
    const std::string folder = std::string(HEW_SOURCE_DIR "/tests/golden/") + name;
    const auto base = LoadModel(rt, folder);
    ASSERT_TRUE(base) << base.error().message;
    const auto golden = SafetensorsFile::Open(folder + "/full_gradients.golden");
    ASSERT_TRUE(golden) << golden.error().message;
    const TrainableModel trainable = TrainableModel::From(rt, **base);
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < 12; ++i)
      ids.push_back(static_cast<int32_t>((7 * i * i + 3 * i + 1) % (*base)->config.vocab_size));
    std::vector<float> gradients(trainable.parameters.size());
    FullLossAndGradients(rt, trainable, PackDocuments({ids}), 1, gradients);
    for (const StoredTensor& stored : TensorsOf((*base)->config)) {
      const TensorEntry* entry = golden->Find(stored.hf_name);
      ASSERT_NE(entry, nullptr) << stored.hf_name;
      const auto* expected = reinterpret_cast<const float*>(entry->bytes.data());
      const int64_t rows = stored.shape[0], cols = stored.matrix() ? stored.shape[1] : 1;
      double difference = 0, norm = 0;
      int64_t row = 0;  // of the file
      for (const ModelPart& part : stored.parts) {
        const float* found = gradients.data() + trainable.layout().At(part);
        for (int64_t r = 0; r < part.rows; ++r, ++row) {
          for (int64_t c = 0; c < cols; ++c) {
            const double e = expected[stored.hf_transposed ? c * rows + row : row * cols + c];
            difference += std::pow(found[r * cols + c] - e, 2);
            norm += e * e;
          }
        }
      }
      EXPECT_LT(std::sqrt(difference), 1e-4 * std::sqrt(norm) + 1e-5) << stored.hf_name;
    }
  }
}

TEST(FullTraining, SameBitsForAnyThreadsAndAReusedWorkspace) {
  const ThreadPool one(1), three(3);
  TrainingWorkspace workspace;
  for (const test::Variation& variation : test::DenseVariations()) {
    const Model model = TinyModel(one, {DType::kF32}, 3, variation.change);
    for (Runtime rt : AllRuntimes(one)) {
      const TrainableModel trainable = TrainableModel::From(rt, model);
      std::vector<float> reference(trainable.parameters.size());
      const LossSum expected = FullLossAndGradients(rt, trainable, TwoDocuments(), 0.25f, reference);
      rt.pool = &three;
      std::vector<float> found(reference.size());
      const LossSum loss = FullLossAndGradients(rt, trainable, TwoDocuments(), 0.25f, found, &workspace);
      EXPECT_EQ(loss.loss, expected.loss) << variation.name << Describe(rt);
      EXPECT_TRUE(found == reference) << variation.name << Describe(rt);
    }
  }
}

// bf16's gradients point where fp32's do.
TEST(FullTraining, Bf16GradientsAreClose) {
  const ThreadPool pool(2);
  const Runtime bf16{&pool, BestIsa(), Precision::kDefault};
  if (!bf16.bf16()) GTEST_SKIP() << "no bf16 on this machine";
  const Runtime fp32{&pool, BestIsa(), Precision::kFp32};
  const Model model = TinyModel(pool, {DType::kF32});
  std::vector<float> reference, found;
  for (const Runtime& rt : {fp32, bf16}) {
    const TrainableModel trainable = TrainableModel::From(rt, model);
    std::vector<float>& gradients = rt.bf16() ? found : reference;
    gradients.resize(trainable.parameters.size());
    FullLossAndGradients(rt, trainable, TwoDocuments(), 1, gradients);
  }
  double product = 0;
  for (size_t i = 0; i < found.size(); ++i) product += static_cast<double>(found[i]) * reference[i];
  EXPECT_GT(product / (NormOf(found) * NormOf(reference)), 0.999);
}

TEST(FullTraining, AFreshModelGuessesEvenlyAndFollowsItsSeed) {
  const ThreadPool one(1), three(3);
  const Runtime rt{&one, BestIsa(), Precision::kFp32}, wide{&three, BestIsa(), Precision::kFp32};
  const ModelConfig config = TinyModel(one, {DType::kF32}).config;
  const TrainableModel a = TrainableModel::Create(rt, config, 4), same = TrainableModel::Create(wide, config, 4),
                       other = TrainableModel::Create(rt, config, 5);
  EXPECT_TRUE(a.parameters == same.parameters);
  EXPECT_FALSE(a.parameters == other.parameters);
  const LossSum loss = Loss(rt, a.model(), nullptr, TwoDocuments());
  EXPECT_NEAR(loss.loss / loss.weight, std::log(70.0), 0.1);
}

// What is written loads as the same model.
TEST(FullTraining, TheSavedFolderIsTheModel) {
  const ThreadPool pool(2);
  const Runtime rt{&pool, BestIsa(), Precision::kFp32};
  for (const test::Variation& variation : test::DenseVariations()) {
    SCOPED_TRACE(variation.name);
    const auto folder = std::filesystem::temp_directory_path() / ("hew_trainable_" + std::string(variation.name));
    std::filesystem::remove_all(folder);
    const auto change = [&](ModelConfig& config) {
      if (variation.change) variation.change(config);
      // GPT-2's files have one matrix for q, k and v, all of one size.
      if (config.learned_positions) config.num_key_value_heads = config.num_attention_heads;
    };
    const TrainableModel trainable = TrainableModel::From(rt, TinyModel(pool, {DType::kF32}, 3, change));
    const Status saved = SaveTrainable(trainable, DType::kF32, {{"eos_token_id", 1}}, folder.string());
    ASSERT_TRUE(saved) << saved.error().message;
    const auto loaded = LoadModel(rt, folder.string());
    ASSERT_TRUE(loaded) << loaded.error().message;
    const TrainableModel again = TrainableModel::From(rt, **loaded);
    ASSERT_EQ(again.parameters.size(), trainable.parameters.size());
    for (size_t i = 0; i < again.parameters.size(); ++i)
      ASSERT_NEAR(again.parameters[i], trainable.parameters[i], 1e-6) << i;
    std::filesystem::remove_all(folder);
  }
}

}  // namespace
}  // namespace hew
