#include "studio/registry/forgetting.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "infer/prompts.h"

namespace hew {
namespace {

constexpr size_t kMostTokens = 512;
constexpr int64_t kLogitRows = 64;
constexpr int kPairs = 5, kSpeedTokens = 16;

std::vector<float> Normalizers(const Engine& engine, const Matrix& logits) {
  std::vector<float> out(static_cast<size_t>(logits.row_count()));
  LogSumExp(engine.rt, logits.view(), out.data());
  return out;
}

Matrix HiddenOf(const Engine& engine, IdSpan ids) {
  KvCache cache(engine.rt, engine.model->config, static_cast<int64_t>(ids.size()), engine.context_size);
  KvCache* pointer = &cache;
  return RunTogether(engine, {&ids, 1}, {&pointer, 1}, true);
}

double SecondsOf(Generator& generator, const std::vector<int32_t>& prompt) {
  GenerateRequest request{prompt, {}, kSpeedTokens, {}};
  request.sampling.temperature = 0;
  const auto start = std::chrono::steady_clock::now();
  const auto result = generator.Generate(request);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // An answer may end early: what counts is the time of a token.
  return result && !result->ids.empty() ? seconds / static_cast<double>(result->ids.size()) : seconds;
}

}  // namespace

std::vector<std::string> BaseTexts() {
  return {
      "Water boils at a lower temperature on a mountain, because the air presses on it less.",
      "She put the letter back into its envelope, looked out at the rain, and decided not to answer it today.",
      "To make bread you need flour, water, salt and yeast; knead the dough for ten minutes and let it rise for an "
      "hour.",
      "The train from the north arrives at a quarter past nine, and the last bus to the harbour leaves ten minutes "
      "later.",
      "In 1969 two people walked on the moon while a third waited for them in orbit.",
      "If a is twice as large as b, and b is three more than c, then a is six more than twice c.",
      "Dear Mr. Lee, thank you for your message of last week. I would be glad to meet you on Thursday afternoon.",
      "def add(a, b):\n    return a + b\n\nfor i in range(3):\n    print(add(i, 1))\n",
      "The heart pumps blood through the lungs, where it takes up oxygen, and then through the rest of the body.",
      "Most birds build their nests in spring, when there is enough food for the young.",
      "봄이 되면 산과 들에 꽃이 피고, 사람들은 가벼운 옷차림으로 나들이를 갑니다.",
      "회의는 오후 세 시에 시작하니 자료를 미리 읽어 오시기 바랍니다.",
  };
}

Result<Drift> MeasureDrift(const Engine& before, const Engine& after, const std::vector<std::string>& texts) {
  const int64_t vocab = before.model->config.vocab_size;
  if (after.model->config.vocab_size != vocab)
    return BadInput("vocabulary: expected {} tokens as before, found {}", vocab, after.model->config.vocab_size);
  Drift drift;
  double before_sum = 0, after_sum = 0;
  for (const auto& text : texts) {
    std::vector<int32_t> ids = before.tokenizer->Encode(text, {.add_special = true});
    ids.resize(
        std::min({ids.size(), kMostTokens, static_cast<size_t>(std::min(before.context_size, after.context_size))}));
    if (ids.size() < 2) continue;
    Matrix x = HiddenOf(before, ids), y = HiddenOf(after, ids);
    const auto rows = static_cast<int64_t>(ids.size()) - 1;
    for (int64_t begin = 0; begin < rows; begin += kLogitRows) {
      const int64_t count = std::min(kLogitRows, rows - begin);
      Matrix p(DType::kF32, count, vocab), q(DType::kF32, count, vocab);
      ComputeLogits(before.rt, *before.model, x.rows(begin, count), p.view());
      ComputeLogits(after.rt, *after.model, y.rows(begin, count), q.view());
      const auto p_norm = Normalizers(before, p), q_norm = Normalizers(after, q);
      for (int64_t i = 0; i < count; ++i) {
        const float *a = p.view().f32(i), *b = q.view().f32(i);
        const double shift = double{q_norm[static_cast<size_t>(i)]} - p_norm[static_cast<size_t>(i)];
        double kl = 0;
        for (int64_t v = 0; v < vocab; ++v)
          kl += std::exp(double{a[v]} - p_norm[static_cast<size_t>(i)]) * (double{a[v]} - b[v] + shift);
        drift.kl += kl;
        const int32_t target = ids[static_cast<size_t>(begin + i + 1)];
        before_sum += double{a[target]} - p_norm[static_cast<size_t>(i)];
        after_sum += double{b[target]} - q_norm[static_cast<size_t>(i)];
      }
    }
    drift.tokens += rows;
  }
  if (drift.tokens == 0) return BadInput("base_texts: expected text of two tokens or more, found none");
  const auto n = static_cast<double>(drift.tokens);
  drift.kl = std::max(0.0, drift.kl / n);
  drift.before_perplexity = std::exp(-before_sum / n);
  drift.after_perplexity = std::exp(-after_sum / n);
  return drift;
}

double SpeedRatio(const Engine& before, const Engine& after) {
  const auto prompt = before.tokenizer->Encode("Once upon a time there was", {.add_special = true});
  Generator x(before), y(after);
  std::vector<double> ratios;
  for (int i = 0; i <= kPairs; ++i) {
    const double a = SecondsOf(x, prompt), b = SecondsOf(y, prompt);
    if (i > 0) ratios.push_back(a / b);  // the first pair warms up
  }
  std::sort(ratios.begin(), ratios.end());
  return ratios[kPairs / 2];
}

int64_t MemoryBytes(const Engine& engine) {
  int64_t bytes = engine.model->memory_bytes();
  for (const LoraAdapter* adapter : engine.adapters)
    bytes += static_cast<int64_t>(adapter->parameters.size() * sizeof(float));
  return bytes;
}

}  // namespace hew
