// Training: the forward pass over a packed batch, with what the backward pass needs kept, and the two together.
#include <algorithm>
#include <map>

#include "kernels/ops.h"
#include "model/rope.h"
#include "model/training_buffers.h"

namespace hew {
namespace {

void CheckBatch(const Model& model, const PackedBatch& batch) {
  const size_t rows = batch.ids.size(), learned = batch.learned_rows.size();
  HEW_CHECK(batch.positions.size() == rows && batch.targets.size() == learned && batch.weights.size() == learned);
  for (size_t i = 0; i < rows; ++i) {
    HEW_CHECK(batch.ids[i] >= 0 && batch.ids[i] < model.config.vocab_size);
    HEW_CHECK(batch.positions[i] >= 0 && batch.positions[i] < model.config.max_position_embeddings);
  }
  int64_t covered = 0;
  for (const PackedSegment& s : batch.segments) {
    HEW_CHECK(s.begin == covered && s.rows > 0 && s.prefix_rows >= 0);
    HEW_CHECK(s.prefix_rows == 0 || (s.prefix_begin >= 0 && s.prefix_begin + s.prefix_rows <= s.begin));
    covered += s.rows;
  }
  HEW_CHECK(covered == static_cast<int64_t>(rows));
  for (size_t i = 0; i < learned; ++i) {
    const int64_t previous = i == 0 ? -1 : batch.learned_rows[i - 1];
    HEW_CHECK(batch.learned_rows[i] > previous && batch.learned_rows[i] < covered);
    HEW_CHECK(batch.targets[i] >= 0 && batch.targets[i] < model.config.vocab_size);
  }
}

// Where each row stands. A prefix and its followers are long sequences together, since they share keys.
RowPositions PositionsOf(const ModelConfig& config, const PackedBatch& batch) {
  RowPositions at{batch.positions, batch.positions};
  const auto prefix_of = [&](const PackedSegment& s) { return s.prefix_rows > 0 ? s.prefix_begin : s.begin; };
  std::map<int64_t, int64_t> longest;  // by the row where the prefix begins
  for (const PackedSegment& s : batch.segments) {
    int64_t& length = longest[prefix_of(s)];
    length = std::max(length, s.prefix_rows + s.rows);
  }
  for (const PackedSegment& s : batch.segments) {
    if (!IsLongSequence(config, longest[prefix_of(s)])) continue;
    for (int64_t i = s.begin; i < s.begin + s.rows; ++i)
      at.rope_rows[static_cast<size_t>(i)] += static_cast<int32_t>(config.max_position_embeddings);
  }
  return at;
}

// Layers from `first_kept` on keep their activations. Returns the residual stream after the last layer.
MatrixView Forward(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t first_kept,
                   TrainingWorkspace::Buffers& buffers) {
  const Runtime& rt = context.rt;
  const ModelConfig& config = context.model.config;
  const auto rows = static_cast<int64_t>(batch.ids.size());
  if (first_kept < config.num_hidden_layers && buffers.layers.size() < context.model.layers.size()) {
    buffers.layers.resize(context.model.layers.size());
  }
  const MatrixView residual = buffers.residual.View(DType::kF32, rows, config.hidden_size);
  Embed(context, batch.ids, at, residual);
  for (int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const bool kept = l >= first_kept;
    LayerActivations& layer = kept ? buffers.layers[static_cast<size_t>(l)] : buffers.passing;
    const LayerViews views = ViewsOf(context, layer, buffers, rows);
    if (kept) CopyOrAdd(rt, residual, layer.residual.View(DType::kF32, rows, config.hidden_size), false);
    AttentionInputs(context, l, residual, at, views, buffers.projections);
    float* log_sum_exp = kept ? layer.log_sum_exp.View(DType::kF32, rows, config.num_attention_heads).f32() : nullptr;
    AttentionForward(rt, AttentionShapeOf(config, l), views.q, SegmentsOf(batch, views), views.attention, log_sum_exp);
    AttentionOutput(context, l, views, residual, buffers.projections);
    if (kept) CopyOrAdd(rt, residual, layer.middle.View(DType::kF32, rows, config.hidden_size), false);
    FeedForward(context, l, views, residual, buffers.projections);
  }
  return residual;
}

}  // namespace

LossSum LossAndGradients(const Runtime& rt, const Model& model, const LoraAdapter& adapter, const PackedBatch& batch,
                         DropoutState dropout, float gradient_scale, std::span<float> gradients,
                         TrainingWorkspace* workspace) {
  CheckBatch(model, batch);
  HEW_CHECK(gradients.size() == adapter.parameters.size());
  if (batch.learned_rows.empty()) return {};
  TrainingWorkspace own;
  TrainingWorkspace::Buffers& buffers = (workspace ? *workspace : own).buffers();
  const LoraAdapter* const adapters[] = {&adapter};
  const DecoderContext context{rt, model, adapters, &dropout};
  const int64_t lowest = adapter.modules.empty() ? model.config.num_hidden_layers : adapter.lowest_layer();
  const RowPositions at = PositionsOf(model.config, batch);
  const MatrixView residual = Forward(context, batch, at, lowest, buffers);
  const MatrixView d_residual = buffers.d_residual.View(DType::kF32, residual.rows, residual.cols);
  const LossSum loss = HeadLoss(context, batch, residual, gradient_scale, &d_residual, buffers);
  for (int64_t l = model.config.num_hidden_layers - 1; l >= lowest; --l) {
    LayerBackward(context, batch, at, l, buffers.layers[static_cast<size_t>(l)], buffers, d_residual, gradients);
  }
  return loss;
}

LossSum Loss(const Runtime& rt, const Model& model, const LoraAdapter* adapter, const PackedBatch& batch,
             std::vector<float>* token_losses, TrainingWorkspace* workspace) {
  CheckBatch(model, batch);
  if (token_losses) token_losses->clear();
  if (batch.learned_rows.empty()) return {};
  TrainingWorkspace own;
  TrainingWorkspace::Buffers& buffers = (workspace ? *workspace : own).buffers();
  std::span<const LoraAdapter* const> adapters;
  if (adapter) adapters = {&adapter, 1};
  const DecoderContext context{rt, model, adapters};
  const MatrixView residual =
      Forward(context, batch, PositionsOf(model.config, batch), model.config.num_hidden_layers, buffers);
  const LossSum loss = HeadLoss(context, batch, residual, 1, nullptr, buffers);
  if (token_losses) *token_losses = buffers.losses;
  return loss;
}

}  // namespace hew
