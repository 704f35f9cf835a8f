#include "train/tune_memory.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/memory.h"
#include "base/progress.h"
#include "model/decoder.h"

namespace hew {
namespace {

// Steps of a small heap: batches, metrics, the checkpoint's header.
constexpr int64_t kSmallBytes = 4 << 20;

int64_t AllRows(const Dataset& data) {
  return std::accumulate(data.examples.begin(), data.examples.end(), int64_t{0},
                         [](int64_t sum, const TrainingExample& e) { return sum + RowsOf(e); });
}

// Rows that cannot be worked on apart: a row, or a pair of answers.
int64_t LongestRow(const Dataset& data, bool share_prefix) {
  if (!data.pairs) return data.counts.longest;
  int64_t longest = 0;
  for (int64_t pair = 0; pair < data.rows(); ++pair)
    longest = std::max(longest, RowsOfPair(data.examples, pair, share_prefix));
  return longest;
}

}  // namespace

int64_t MostRowsOfStep(const Dataset& data, const StepPlan& steps) {
  if (steps.tokens_per_step > 0) return std::max(steps.tokens_per_step, data.counts.longest);
  std::vector<int64_t> rows;
  for (const TrainingExample& example : data.examples) rows.push_back(RowsOf(example));
  const auto count = std::min(rows.size(), static_cast<size_t>(steps.examples_per_step * (data.pairs ? 2 : 1)));
  std::partial_sort(rows.begin(), rows.begin() + static_cast<int64_t>(count), rows.end(), std::greater<>());
  return std::accumulate(rows.begin(), rows.begin() + static_cast<int64_t>(count), int64_t{0});
}

Result<TuneMemory> PlanTuneMemory(const Runtime& rt, const TuneRequest& request, const LoraAdapter& adapter,
                                  const Dataset& train, const Dataset* eval, const StepPlan& steps, bool share_prefix,
                                  bool keeps_frozen, TrainingTechniques* techniques) {
  const TuneSettings& s = request.settings;
  const ModelConfig& config = request.model->config;
  const int64_t longest = std::max(LongestRow(train, share_prefix), eval ? LongestRow(*eval, share_prefix) : 0);
  const int64_t of_step = MostRowsOfStep(train, steps), of_eval = eval ? AllRows(*eval) : 0;
  const auto held = static_cast<int64_t>(ResidentBytes()), parameters = static_cast<int64_t>(adapter.parameters.size());
  // What is learned, without the numbers and their packed copy, which are held; without an evaluation none are the
  // best.
  const int64_t beside = 4 + (rt.bf16() ? 2 : 4) + (eval ? 0 : 4);
  const int64_t learned = LearnedStateBytes(parameters, rt.bf16()) - beside * parameters;
  const int64_t frozen = keeps_frozen ? static_cast<int64_t>(train.counts.tokens) * config.hidden_size * 4 : 0;
  LoraConfig lora = adapter.config;
  lora.first_layer = adapter.lowest_layer();
  const auto needed = [&](int64_t n) {
    const int64_t rows = std::min(n, of_step), forward = std::min(n, of_eval);
    const int64_t pass = TrainingBytes(config, lora, rt.bf16(), rows, *techniques, forward) +
                         ProductBytes(config, rt.bf16(), std::max(rows, forward));
    return held + learned + frozen + pass + kSmallBytes;
  };
  int64_t bound = held + static_cast<int64_t>(std::min(AvailableMemoryBytes(), uint64_t{1} << 60));
  if (!s.memory.empty()) {
    HEW_ASSIGN(const int64_t most, ParseBytes("memory", s.memory));
    bound = std::min(bound, most);
  }
  int64_t rows = s.micro_tokens > 0 ? s.micro_tokens : std::max(kMicroTokens, longest);
  if (s.micro_tokens == 0) {
    if (needed(longest) > bound && techniques->stored_activations) {
      techniques->stored_activations = false;
      request.Say("memory: too little to store what the backward pass needs: it is computed twice instead");
    }
    while (rows > longest && needed(rows) > bound) rows = std::max(longest, rows - 64);
  }
  if (needed(rows) <= bound) return TuneMemory{rows, std::max(needed(rows), static_cast<int64_t>(PeakRssBytes()))};
  return EnvironmentError("memory: needs {} for {} tokens at once and {} numbers to learn, has {}; lower {}{}",
                          HumanBytes(static_cast<uint64_t>(needed(rows))), rows, adapter.parameters.size(),
                          HumanBytes(static_cast<uint64_t>(bound)),
                          rows > longest ? "--micro-tokens" : "--max-length or --rank",
                          s.memory.empty() ? "" : ", or raise --memory");
}

}  // namespace hew
