#include "train/keep.h"

#include <numeric>

#include "base/check.h"
#include "train/packer.h"

namespace hew {
namespace {

// Calls visit(i, example, token) for each learned row i of the batch, which predicts that token of that example.
template <class Visit>
void ForEachLearned(const PackedBatch& batch, const Dataset& data, const Visit& visit) {
  size_t row = 0;
  for (size_t s = 0; s < batch.segments.size(); ++s) {
    const PackedSegment& segment = batch.segments[s];
    for (; row < batch.learned_rows.size() && batch.learned_rows[row] < segment.begin + segment.rows; ++row) {
      const auto example = static_cast<size_t>(batch.examples[s]);
      HEW_CHECK(example < data.examples.size());  // nothing of a shared prefix is learned
      visit(row, example, static_cast<size_t>(batch.positions[static_cast<size_t>(batch.learned_rows[row])]) + 1);
    }
  }
}

}  // namespace

void MeasureKept(const Runtime& rt, const Model& model, const LoraAdapter* adapter, int64_t micro_tokens,
                 Dataset* data) {
  std::vector<int64_t> all(data->examples.size());
  std::iota(all.begin(), all.end(), 0);
  for (auto& example : data->examples) example.kept.assign(example.ids.size(), 0);
  TrainingWorkspace workspace;
  std::vector<float> losses;
  for (const PackedBatch& batch : Pack(data->examples, all, {.micro_tokens = micro_tokens})) {
    Loss(rt, model, adapter, batch, &losses, &workspace);
    ForEachLearned(batch, *data,
                   [&](size_t i, size_t example, size_t token) { data->examples[example].kept[token] = losses[i]; });
  }
}

LossSum LossWithKept(const Dataset& data, const PackedBatch& batch, std::span<const float> losses,
                     std::span<float> weights) {
  LossSum sum;
  ForEachLearned(batch, data, [&](size_t i, size_t example, size_t token) {
    const float weight = batch.weights[i], loss = losses[i];
    const auto& kept = data.examples[example].kept;
    const double moved = kept.empty() ? 0 : double{loss} - kept[token];
    sum.loss += weight * (kept.empty() ? double{loss} : moved * moved / 2);
    sum.weight += weight;
    if (!weights.empty()) weights[i] = kept.empty() ? weight : static_cast<float>(weight * moved);
  });
  return sum;
}

}  // namespace hew
