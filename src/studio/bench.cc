#include "studio/bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>

#include "base/check.h"
#include "base/progress.h"
#include "base/random.h"
#include "model/trainable.h"

namespace hew {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double SecondsOf(const std::function<void()>& work) {
  const double start = Now();
  work();
  return Now() - start;
}

std::vector<int32_t> RandomIds(const ModelConfig& config, int64_t count) {
  Random random{1, 0, 0};
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (auto& id : ids) id = static_cast<int32_t>(random.Below(static_cast<uint64_t>(config.vocab_size)));
  return ids;
}

// 2 per weight that a token passes, and attention's two products with half the prompt's keys on average; of the last
// layer only keys and values.
double PromptFlopsPerToken(const ModelConfig& config, int64_t tokens) {
  double flops = 0;
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const bool last = l + 1 == config.num_hidden_layers;
    for (Projection p : kProjections) {
      if (!config.Has(p, l) || (last && p != Projection::kK && p != Projection::kV)) continue;
      const auto [out, in] = ProjectionShape(config, p);
      flops += 2.0 * static_cast<double>(out * in);
    }
    if (last) continue;
    if (config.Sparse(l)) {
      flops += 2.0 * static_cast<double>(config.hidden_size) *
               static_cast<double>(config.num_experts + 3 * config.num_experts_per_tok * config.moe_intermediate_size);
    }
    flops += 2.0 * static_cast<double>(tokens * config.query_size());
  }
  return flops;
}

// Weights read for one generated token: everything but the embedding table, which is looked up (unless it is the head),
// and the experts that it does not see.
double BytesPerToken(const Model& model) {
  double bytes = static_cast<double>(model.memory_bytes());
  if (!model.lm_head.empty()) bytes -= static_cast<double>(model.embed_tokens.data.size());
  for (const LayerWeights& layer : model.layers) {
    double experts = 0;
    for (const Expert& expert : layer.experts) {
      for (const Weight& w : expert.projections) experts += static_cast<double>(w.data.size());
    }
    if (experts == 0) continue;
    const auto seen = static_cast<double>(model.config.num_experts_per_tok);
    bytes -= experts * (1 - seen / static_cast<double>(model.config.num_experts));
  }
  return bytes;
}

// Documents of `length` rows, of each of which the last `thirds` thirds are learned.
PackedBatch TrainingBatch(const ModelConfig& config, int64_t rows, int64_t length, int64_t thirds) {
  PackedBatch batch;
  batch.ids = RandomIds(config, rows);
  for (int64_t begin = 0; begin < rows; begin += length) {
    const int64_t count = std::min(length, rows - begin);
    batch.segments.push_back({begin, count, 0, 0});
    for (int64_t i = 0; i < count; ++i) {
      batch.positions.push_back(static_cast<int32_t>(i));
      if (i < count * (3 - thirds) / 3 || i == count - 1) continue;
      batch.learned_rows.push_back(static_cast<int32_t>(begin + i));
      batch.targets.push_back(batch.ids[static_cast<size_t>(begin + i + 1)]);
      batch.weights.push_back(1);
    }
  }
  return batch;
}

double Flops(const Runtime& rt, const MachinePeak& peak) {
  if (rt.precision == Precision::kInt8) return 1e9 * peak.int8_gops;
  return 1e9 * (rt.bf16() ? peak.bf16_gflops : peak.fp32_gflops);
}

}  // namespace

struct ModelBench::State {
  Runtime rt;
  BenchSettings settings;
  OpenedModel opened;
  double load_s = 0;
  std::vector<int32_t> prompt;
  std::unique_ptr<KvCache> cache;
  // Of the LoRA step, made when it is first asked for.
  LoraConfig lora;
  std::optional<LoraAdapter> adapter;
  PackedBatch batch;
  std::vector<float> gradients;
  TrainingWorkspace workspace;

  const Model& model() const { return *opened.model; }
  const ModelConfig& config() const { return model().config; }

  // The hidden state of the last token.
  Matrix Prefill() {
    cache->Truncate(0);
    Matrix hidden;
    constexpr size_t kSlice = kPromptSlice;
    for (size_t at = 0; at < prompt.size(); at += kSlice) {
      const SequenceRows rows{std::span(prompt).subspan(at, std::min(kSlice, prompt.size() - at)), cache.get()};
      const bool last = at + kSlice >= prompt.size();
      hidden = DecoderForward(rt, model(), {}, {&rows, 1}, last ? OutputRows::kLast : OutputRows::kNone);
    }
    return hidden;
  }

  int32_t Likeliest(ConstMatrixView hidden, MatrixView logits) const {
    ComputeLogits(rt, model(), hidden, logits);
    return ArgMax({logits.f32(), static_cast<size_t>(config().vocab_size)});
  }
};

ModelBench::ModelBench(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelBench::ModelBench(ModelBench&&) noexcept = default;
ModelBench::~ModelBench() = default;

Result<ModelBench> ModelBench::Open(const Runtime& rt, const std::string& path, const BenchSettings& settings) {
  auto state = std::make_unique<State>();
  state->rt = rt;
  state->settings = settings;
  const double start = Now();
  HEW_ASSIGN(state->opened, OpenModel(rt, path, {}));
  state->load_s = Now() - start;
  const int64_t most = state->config().max_position_embeddings;
  for (const auto& [name, tokens] : {std::pair("--prompt-tokens", settings.prompt_tokens),
                                     std::pair("--generated-tokens", settings.generated_tokens)}) {
    if (tokens < 1 || tokens > most)
      return BadInput("{}: expected 1 to {} (the model's context), found {}", name, most, tokens);
  }
  state->prompt = RandomIds(state->config(), settings.prompt_tokens);
  state->cache =
      std::make_unique<KvCache>(rt, state->config(), std::max(settings.prompt_tokens, settings.generated_tokens));
  state->lora.rank = kBenchRank;
  return ModelBench(std::move(state));
}

double ModelBench::load_s() const { return state_->load_s; }

void ModelBench::SetPrecision(Precision precision) {
  HEW_CHECK((precision == Precision::kFp32) == (state_->rt.precision == Precision::kFp32));  // the cache's type
  state_->rt.precision = precision;
}

double ModelBench::FirstTokenSeconds() {
  State& s = *state_;
  Matrix logits(DType::kF32, 1, s.config().vocab_size);
  return SecondsOf([&] { s.Likeliest(s.Prefill().view(), logits.view()); });
}

double ModelBench::PromptTokensPerSecond() {
  return static_cast<double>(state_->prompt.size()) / SecondsOf([&] { state_->Prefill(); });
}

double ModelBench::GeneratedTokensPerSecond() {
  State& s = *state_;
  Matrix logits(DType::kF32, 1, s.config().vocab_size);
  const int64_t count = s.settings.generated_tokens;
  s.cache->Truncate(0);
  int32_t id = s.prompt[0];
  return static_cast<double>(count) / SecondsOf([&] {
           for (int64_t i = 0; i < count; ++i) {
             const SequenceRows row{{&id, 1}, s.cache.get()};
             const Matrix hidden = DecoderForward(s.rt, s.model(), {}, {&row, 1});
             id = s.Likeliest(hidden.view(), logits.view());
           }
         });
}

Result<double> ModelBench::LoraRowsPerSecond() {
  State& s = *state_;
  const auto step = [&] { LossAndGradients(s.rt, s.model(), *s.adapter, s.batch, {}, 1, s.gradients, &s.workspace); };
  if (!s.adapter) {
    HEW_ASSIGN(auto adapter, LoraAdapter::Create(s.rt, s.lora, s.model(), 0));
    s.adapter.emplace(std::move(adapter));
    s.batch = TrainingBatch(s.config(), s.settings.train_rows, kBenchRowLength, 1);
    s.gradients.resize(s.adapter->parameters.size());
    step();  // the first touch of memory is not a step
  }
  return static_cast<double>(s.settings.train_rows) / SecondsOf(step);
}

bool ModelBench::TrainsInFull() const { return state_->config().num_experts == 0; }

double ModelBench::FullRowsPerSecond() {
  State& s = *state_;
  const TrainableModel trainable = TrainableModel::From(s.rt, s.model());
  std::vector<float> gradients(trainable.parameters.size());
  const PackedBatch batch = TrainingBatch(s.config(), s.settings.train_rows, s.settings.train_rows, 3);
  TrainingWorkspace workspace;
  const auto step = [&] { FullLossAndGradients(s.rt, trainable, batch, 1, gradients, &workspace); };
  step();  // the first touch of memory is not a step
  return static_cast<double>(s.settings.train_rows) / SecondsOf(step);
}

double ModelBench::LoadLimit(const MachinePeak& peak) const {
  return static_cast<double>(state_->model().memory_bytes()) / (1e9 * peak.read_gbps);
}

double ModelBench::FirstTokenLimit(const MachinePeak& peak) const {
  const double head = static_cast<double>(state_->model().head().data.size()) / (1e9 * peak.read_gbps);
  return static_cast<double>(state_->prompt.size()) / PromptLimit(peak) + head;
}

double ModelBench::PromptLimit(const MachinePeak& peak) const {
  return Flops(state_->rt, peak) / PromptFlopsPerToken(state_->config(), state_->settings.prompt_tokens);
}

double ModelBench::GenerationLimit(const MachinePeak& peak) const {
  return 1e9 * peak.read_gbps / BytesPerToken(state_->model());
}

double ModelBench::LoraLimit(const MachinePeak& peak) const {
  const PackedBatch batch = TrainingBatch(state_->config(), state_->settings.train_rows, kBenchRowLength, 1);
  const double head_share = static_cast<double>(batch.learned_rows.size()) / static_cast<double>(batch.ids.size());
  return Flops(state_->rt, peak) / TrainingFlopsPerRow(state_->config(), state_->lora, head_share);
}

double ModelBench::FullLimit(const MachinePeak& peak) const {
  return Flops(state_->rt, peak) / FullTrainingFlopsPerRow(state_->config(), 1);
}

std::vector<ThreadPeak> MeasureThreads(const Runtime& rt) {
  std::vector<ThreadPeak> peaks;
  for (int threads = 1; threads < rt.pool->threads(); threads = threads < 8 ? threads + 1 : threads * 2) {
    const ThreadPool pool(threads);
    Runtime fewer = rt;
    fewer.pool = &pool;
    peaks.push_back({threads, MeasureMachine(fewer)});
  }
  peaks.push_back({rt.pool->threads(), MeasureMachine(rt)});
  return peaks;
}

namespace {

// Runs one thing several times; the best counts. Adds the figure and the memory held at most meanwhile.
class Measurer {
 public:
  Measurer(int repeats, std::vector<BenchResult>* results) : repeats_(repeats), results_(*results) {}

  Status Measure(const BenchResult& what, const std::function<Result<double>()>& run) {
    ResetPeak();
    BenchResult result = what;
    for (int i = 0; i < repeats_; ++i) {
      HEW_ASSIGN(const double value, run());
      const bool better = what.lower_is_better ? value < result.value : value > result.value;
      if (i == 0 || better) result.value = value;
    }
    results_.push_back(result);
    memory_.push_back({what.name + ", memory", static_cast<double>(PeakRssBytes()) / 1e6, "MB", 0, true});
    return {};
  }

  void AddMemory() { results_.insert(results_.end(), memory_.begin(), memory_.end()); }

 private:
  int repeats_;
  std::vector<BenchResult>& results_;
  std::vector<BenchResult> memory_;
};

}  // namespace

void ResetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

Result<std::vector<BenchResult>> BenchModel(const Runtime& rt, const std::string& path, const MachinePeak& peak,
                                            const BenchSettings& settings) {
  std::vector<BenchResult> results;
  Measurer measurer(settings.repeats, &results);
  std::optional<ModelBench> bench;
  HEW_RETURN_IF_ERROR(measurer.Measure({"load", 0, "s", 0, true}, [&]() -> Result<double> {
    bench.reset();
    HEW_ASSIGN(auto opened, ModelBench::Open(rt, path, settings));
    bench.emplace(std::move(opened));
    return bench->load_s();
  }));
  results[0].limit = bench->LoadLimit(peak);
  HEW_RETURN_IF_ERROR(measurer.Measure(
      {fmt::format("first token of {}", settings.prompt_tokens), 0, "s", bench->FirstTokenLimit(peak), true},
      [&] { return bench->FirstTokenSeconds(); }));
  HEW_RETURN_IF_ERROR(
      measurer.Measure({fmt::format("prompt {}", settings.prompt_tokens), 0, "tok/s", bench->PromptLimit(peak)},
                       [&] { return bench->PromptTokensPerSecond(); }));
  HEW_RETURN_IF_ERROR(measurer.Measure(
      {fmt::format("generate {}", settings.generated_tokens), 0, "tok/s", bench->GenerationLimit(peak)},
      [&] { return bench->GeneratedTokensPerSecond(); }));
  if (rt.precision == Precision::kDefault) {
    bench->SetPrecision(Precision::kInt8);
    HEW_RETURN_IF_ERROR(
        measurer.Measure({fmt::format("prompt {}, int8", settings.prompt_tokens), 0, "tok/s", bench->PromptLimit(peak)},
                         [&] { return bench->PromptTokensPerSecond(); }));
    HEW_RETURN_IF_ERROR(measurer.Measure(
        {fmt::format("generate {}, int8", settings.generated_tokens), 0, "tok/s", bench->GenerationLimit(peak)},
        [&] { return bench->GeneratedTokensPerSecond(); }));
    bench->SetPrecision(Precision::kDefault);
  }
  if (rt.precision == Precision::kInt8) {  // not for training
    measurer.AddMemory();
    return results;
  }
  HEW_RETURN_IF_ERROR(
      measurer.Measure({fmt::format("lora step, {} rows", settings.train_rows), 0, "tok/s", bench->LoraLimit(peak)},
                       [&] { return bench->LoraRowsPerSecond(); }));
  if (bench->TrainsInFull()) {
    HEW_RETURN_IF_ERROR(
        measurer.Measure({fmt::format("full step, {} rows", settings.train_rows), 0, "tok/s", bench->FullLimit(peak)},
                         [&]() -> Result<double> { return bench->FullRowsPerSecond(); }));
  }
  measurer.AddMemory();
  return results;
}

}  // namespace hew
