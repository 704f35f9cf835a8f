// The real SmolLM2-135M-Instruct against Transformers in fp32 on the same dequantised weights
// (tests/golden/smollm2/oracle.json: ids, log-probabilities, greedy continuations of three texts).
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "kernels/ops.h"
#include "model/test_util.h"

namespace hew {
namespace {

std::string ModelPath() {
  const char* folder = std::getenv("HEW_MODELS");
  const char* home = std::getenv("HOME");
  const std::string base = folder ? folder : std::string(home ? home : "") + "/.cache/hew-models";
  return base + "/smollm2-135m-instruct-q4_1.gguf";
}

std::vector<double> LogProbabilities(const Runtime& rt, ConstMatrixView logits, std::span<const int32_t> ids) {
  std::vector<float> sums(static_cast<size_t>(logits.rows));
  LogSumExp(rt, logits, sums.data());
  std::vector<double> result;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    result.push_back(static_cast<double>(logits.f32(static_cast<int64_t>(i))[ids[i + 1]]) - sums[i]);
  }
  return result;
}

std::vector<int32_t> Greedy(const Runtime& rt, const Model& model, std::vector<int32_t> ids, int count) {
  KvCache cache(rt, model.config, static_cast<int64_t>(ids.size()) + count);
  std::vector<int32_t> answer;
  Matrix logits(DType::kF32, 1, model.config.vocab_size);
  for (int i = 0; i < count; ++i) {
    const SequenceRows rows{ids, &cache};
    Matrix hidden = DecoderForward(rt, model, {}, {&rows, 1});
    ComputeLogits(rt, model, hidden.rows(hidden.row_count() - 1, 1), logits.view());
    const float* row = logits.view().f32();
    ids = {static_cast<int32_t>(std::max_element(row, row + model.config.vocab_size) - row)};
    answer.push_back(ids[0]);
  }
  return answer;
}

class SmolLm2Test : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(ModelPath())) GTEST_SKIP() << ModelPath() << " is not there";
    const auto text = ReadFile(HEW_SOURCE_DIR "/tests/golden/smollm2/oracle.json");
    ASSERT_TRUE(text);
    auto json = ParseJson(*text, "oracle.json");
    ASSERT_TRUE(json) << json.error().message;
    oracle_ = *json;
    ASSERT_EQ(oracle_.size(), 3u);
  }

  // Mean |difference| of the log-probabilities over the three texts.
  double MeanDifference(const Runtime& rt) {
    auto model = LoadModel(rt, ModelPath());
    EXPECT_TRUE(model) << model.error().message;
    double sum = 0;
    size_t count = 0;
    for (const Json& text : oracle_) {
      const auto ids = text["ids"].get<std::vector<int32_t>>();
      const Matrix logits = test::LogitsOf(rt, **model, {}, ids);
      const std::vector<double> found = LogProbabilities(rt, logits.view(), ids);
      for (size_t i = 0; i < found.size(); ++i) sum += std::abs(found[i] - text["logprobs"][i + 1].get<double>());
      count += found.size();
    }
    RecordProperty("mean_difference", fmt::format("{}", sum / static_cast<double>(count)));
    return sum / static_cast<double>(count);
  }

  ThreadPool pool_{2};
  Json oracle_;
};

TEST_F(SmolLm2Test, Fp32IsTransformers) {
  const Runtime rt{&pool_, BestIsa(), Precision::kFp32};
  EXPECT_LT(MeanDifference(rt), 1e-3);
  auto model = LoadModel(rt, ModelPath());
  ASSERT_TRUE(model);
  for (const Json& text : oracle_) {
    EXPECT_EQ(Greedy(rt, **model, text["ids"].get<std::vector<int32_t>>(), 24),
              text["greedy24"].get<std::vector<int32_t>>());
  }
}

TEST_F(SmolLm2Test, DefaultPrecisionIsClose) {
  EXPECT_LT(MeanDifference({&pool_, BestIsa(), Precision::kDefault}), 0.03);
}

}  // namespace
}  // namespace hew
