#include "studio/bench.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/progress.h"
#include "base/random.h"

namespace hew {
namespace {

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double BestSeconds(int repeats, const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const double start = Seconds();
    work();
    best = std::min(best, Seconds() - start);
  }
  return best;
}

std::vector<int32_t> RandomIds(const ModelConfig& config, int64_t count) {
  Random random{1, 0, 0};
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (auto& id : ids) id = static_cast<int32_t>(random.Below(static_cast<uint64_t>(config.vocab_size)));
  return ids;
}

// 2 per weight that a token passes, and attention's two products with half the prompt's keys on average; of the last layer only
// keys and values.
double PromptFlopsPerToken(const ModelConfig& config, int64_t tokens) {
  double weights = 0, keys_and_values = 0;
  for (Projection p : kProjections) {
    if (!config.Has(p)) continue;
    const auto [out, in] = ProjectionShape(config, p);
    weights += static_cast<double>(out * in);
    if (p == Projection::kK || p == Projection::kV) keys_and_values += static_cast<double>(out * in);
  }
  const auto layers = static_cast<double>(config.num_hidden_layers);
  return 2 * ((layers - 1) * weights + keys_and_values) + (layers - 1) * 2.0 * static_cast<double>(tokens * config.query_size());
}

// Weights read for one generated token: everything but the embedding table, which is looked up (unless it is the head).
double BytesPerToken(const Model& model) {
  double bytes = static_cast<double>(model.memory_bytes());
  if (!model.lm_head.empty()) bytes -= static_cast<double>(model.embed_tokens.data.size());
  return bytes;
}

PackedBatch TrainingBatch(const ModelConfig& config, int64_t rows) {
  constexpr int64_t kDocument = 64;
  PackedBatch batch;
  batch.ids = RandomIds(config, rows);
  for (int64_t begin = 0; begin < rows; begin += kDocument) {
    const int64_t count = std::min(kDocument, rows - begin);
    batch.segments.push_back({begin, count, 0, 0});
    for (int64_t i = 0; i < count; ++i) {
      batch.positions.push_back(static_cast<int32_t>(i));
      if (i < count * 2 / 3 || i == count - 1) continue;
      batch.learned_rows.push_back(static_cast<int32_t>(begin + i));
      batch.targets.push_back(batch.ids[static_cast<size_t>(begin + i + 1)]);
      batch.weights.push_back(1);
    }
  }
  return batch;
}

}  // namespace

Result<std::vector<BenchResult>> BenchModel(const Runtime& rt, const std::string& path, const MachinePeak& peak,
                                            const BenchSettings& settings) {
  const double flops = 1e9 * (rt.bf16() ? peak.bf16_gflops : peak.fp32_gflops), read = 1e9 * peak.read_gbps;
  std::vector<BenchResult> results;
  OpenedModel opened;
  double start = Seconds();
  HEW_ASSIGN(opened, OpenModel(rt, path, {}));
  results.push_back({"load", Seconds() - start, "s", 0});
  const Model& model = *opened.model;
  const auto prompt = RandomIds(model.config, settings.prompt_tokens);
  if (settings.prompt_tokens < 1 || settings.prompt_tokens > model.config.max_position_embeddings) {
    return BadInput("--prompt-tokens: expected 1 to {}, found {}", model.config.max_position_embeddings,
                    settings.prompt_tokens);
  }

  KvCache cache(rt, model.config, settings.prompt_tokens);
  const double prompt_s = BestSeconds(settings.repeats, [&] {
    cache.Truncate(0);
    for (size_t at = 0; at < prompt.size(); at += 512) {
      const SequenceRows rows{std::span(prompt).subspan(at, std::min<size_t>(512, prompt.size() - at)), &cache};
      DecoderForward(rt, model, {}, {&rows, 1}, at + 512 < prompt.size() ? OutputRows::kNone : OutputRows::kLast);
    }
  });
  results.push_back({fmt::format("prompt {}", settings.prompt_tokens),
                     static_cast<double>(settings.prompt_tokens) / prompt_s, "tok/s",
                     flops / PromptFlopsPerToken(model.config, settings.prompt_tokens)});

  const int64_t generated = std::min(settings.generated_tokens, model.config.max_position_embeddings - 1);
  KvCache answer(rt, model.config, generated + 1);
  Matrix logits(DType::kF32, 1, model.config.vocab_size);
  const double generation_s = BestSeconds(settings.repeats, [&] {
    answer.Truncate(0);
    int32_t id = prompt[0];
    for (int64_t i = 0; i < generated; ++i) {
      const SequenceRows row{{&id, 1}, &answer};
      const Matrix hidden = DecoderForward(rt, model, {}, {&row, 1});
      ComputeLogits(rt, model, hidden.view(), logits.view());
      id = ArgMax({logits.view().f32(), static_cast<size_t>(model.config.vocab_size)});
    }
  });
  results.push_back({fmt::format("generate {}", generated), static_cast<double>(generated) / generation_s, "tok/s",
                     read / BytesPerToken(model)});

  LoraConfig lora;
  HEW_ASSIGN(const auto adapter, LoraAdapter::Create(rt, lora, model, 0));
  const PackedBatch batch = TrainingBatch(model.config, settings.train_rows);
  std::vector<float> gradients(adapter.parameters.size());
  TrainingWorkspace workspace;
  LossAndGradients(rt, model, adapter, batch, {}, 1, gradients, &workspace);  // first touch of memory is not a step
  const double step_s =
      BestSeconds(settings.repeats, [&] { LossAndGradients(rt, model, adapter, batch, {}, 1, gradients, &workspace); });
  const double head_share = static_cast<double>(batch.learned_rows.size()) / static_cast<double>(settings.train_rows);
  results.push_back({fmt::format("lora step, {} rows", settings.train_rows),
                     static_cast<double>(settings.train_rows) / step_s, "tok/s",
                     flops / TrainingFlopsPerRow(model.config, lora, head_share)});
  results.push_back({"peak memory", static_cast<double>(PeakRssBytes()) / 1e6, "MB", 0});
  return results;
}

}  // namespace hew
