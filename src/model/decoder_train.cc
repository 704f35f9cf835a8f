// Training: the forward pass over a packed batch, with what the backward pass needs kept, and the two together.
#include <algorithm>
#include <cstring>
#include <map>

#include "kernels/ops.h"
#include "model/rope.h"
#include "model/trainable.h"
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

// Layers from `first_kept` on keep what their backward pass needs. Returns the residual stream of the learned rows
// after the last. `frozen`, if not null, knows or learns the stream before `first_kept`.
MatrixView Forward(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t first_kept,
                   FrozenStream* frozen, TrainingWorkspace::Buffers& buffers) {
  const Runtime& rt = context.rt;
  const ModelConfig& config = context.model.config;
  const auto rows = static_cast<int64_t>(batch.ids.size()),
             learned_rows = static_cast<int64_t>(batch.learned_rows.size());
  if (first_kept < config.num_hidden_layers && buffers.layers.size() < context.model.layers.size()) {
    buffers.layers.resize(context.model.layers.size());
  }
  MatrixView stream = buffers.residual.View(DType::kF32, rows, config.hidden_size);
  if (first_kept == 0 || first_kept >= config.num_hidden_layers) frozen = nullptr;
  const bool known = frozen && frozen->Load(batch, stream);
  if (!known) Embed(context, batch.ids, at, stream);
  for (int64_t l = known ? first_kept : 0; l < config.num_hidden_layers; ++l) {
    if (l == first_kept && frozen && !known) frozen->Save(batch, stream);
    const bool keep = l >= first_kept, stored = keep && context.techniques.stored_activations;
    LayerActivations& own = keep ? buffers.layers[static_cast<size_t>(l)] : buffers.passing;
    if (keep && !stored) CopyOrAdd(rt, stream, own.residual.View(DType::kF32, rows, config.hidden_size), false);
    stream = LayerForward(context, batch, at, l, stored, stored ? own : buffers.passing, stream, buffers);
  }
  if (OnlyLearnedRows(context, batch, config.num_hidden_layers - 1)) return stream;
  const MatrixView learned = buffers.learned.View(DType::kF32, learned_rows, config.hidden_size);
  GatherRows(rt, stream, batch.learned_rows, learned);
  return learned;
}

// What was not stored: the layer's forward pass once more, from the stream that it began with.
LayerActivations& Again(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t layer,
                        TrainingWorkspace::Buffers& buffers) {
  LayerActivations& own = buffers.layers[static_cast<size_t>(layer)];
  if (context.techniques.stored_activations) return own;
  const auto rows = static_cast<int64_t>(batch.ids.size()), hidden = context.model.config.hidden_size;
  const MatrixView stream = buffers.residual.View(DType::kF32, rows, hidden);
  CopyOrAdd(context.rt, own.residual.View(DType::kF32, rows, hidden), stream, false);
  LayerForward(context, batch, at, layer, true, buffers.passing, stream, buffers);
  return buffers.passing;
}

// The gradient of what Embed made.
void EmbedBackward(const DecoderContext& context, const PackedBatch& batch, MatrixView d_residual,
                   std::span<float> gradients) {
  const ModelConfig& config = context.model.config;
  const auto table = [&](ModelTensor t, int64_t rows) {
    return F32View(gradients.data() + context.all->At(t), rows, config.hidden_size);
  };
  EmbedTokensBackward(context.rt, d_residual, batch.ids, config.embedding_scale,
                      table(ModelTensor::kEmbedTokens, config.vocab_size));
  if (!config.learned_positions) return;
  EmbedTokensBackward(context.rt, d_residual, batch.positions, 1,
                      table(ModelTensor::kEmbedPositions, config.max_position_embeddings));
}

// Forward, loss, and back to layer `lowest`.
LossSum ForwardAndBackward(const DecoderContext& context, const PackedBatch& batch, int64_t lowest,
                           float gradient_scale, std::span<float> gradients, TrainingWorkspace* workspace,
                           const SequenceLoss& sequence_loss = {}) {
  const Model& model = context.model;
  CheckBatch(model, batch);
  if (batch.learned_rows.empty()) return {};
  TrainingWorkspace own;
  TrainingWorkspace::Buffers& buffers = (workspace ? *workspace : own).buffers();
  const int64_t layers = model.config.num_hidden_layers;
  const RowPositions at = PositionsOf(model.config, batch);
  const MatrixView learned = Forward(context, batch, at, lowest, workspace ? workspace->frozen : nullptr, buffers);
  const MatrixView d_learned = buffers.d_learned.View(DType::kF32, learned.rows, learned.cols);
  const LossSum loss = HeadLoss(context, batch, learned, gradient_scale, &d_learned, buffers, gradients, sequence_loss);
  const MatrixView d_residual =
      buffers.d_residual.View(DType::kF32, static_cast<int64_t>(batch.ids.size()), learned.cols);
  std::memset(d_residual.data, 0, static_cast<size_t>(d_residual.rows * d_residual.cols) * sizeof(float));
  const bool few = OnlyLearnedRows(context, batch, layers - 1);
  if (!few) AddToRows(context.rt, d_learned, batch.learned_rows, d_residual);
  for (int64_t l = layers - 1; l >= lowest; --l) {
    LayerActivations& activations = Again(context, batch, at, l, buffers);
    LayerBackward(context, batch, at, l, activations, buffers, few && l + 1 == layers ? d_learned : d_residual,
                  d_residual, gradients);
  }
  if (context.all) EmbedBackward(context, batch, d_residual, gradients);
  return loss;
}

}  // namespace

MatrixView LayerForward(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t layer,
                        bool keep, LayerActivations& activations, MatrixView residual,
                        TrainingWorkspace::Buffers& buffers) {
  const Runtime& rt = context.rt;
  const ModelConfig& config = context.model.config;
  if (keep) CopyOrAdd(rt, residual, activations.residual.View(DType::kF32, residual.rows, residual.cols), false);
  LayerViews views = ViewsOf(context, layer, activations, buffers, residual.rows);
  MatrixView stream = residual;
  std::vector<AttentionSegment> segments;
  if (OnlyLearnedRows(context, batch, layer)) {
    KeysAndValues(context, layer, residual, at, views, buffers.projections);
    const std::vector<int32_t>& learned = batch.learned_rows;
    const ConstMatrixView normed = views.normed;
    stream = buffers.learned.View(DType::kF32, static_cast<int64_t>(learned.size()), config.hidden_size);
    views = LearnedViewsOf(views, buffers, stream.rows);
    GatherRows(rt, residual, learned, stream);
    GatherRows(rt, normed, learned, views.normed);
    Queries(context, layer, GatherRows(at, learned), views, buffers.projections);
    segments = LearnedSegmentsOf(batch, views);
  } else {
    AttentionInputs(context, layer, residual, at, views, buffers.projections);
    segments = SegmentsOf(batch, views);
  }
  float* log_sum_exp =
      keep ? activations.log_sum_exp.View(DType::kF32, stream.rows, config.num_attention_heads).f32() : nullptr;
  AttentionForward(rt, AttentionShapeOf(config, layer), views.q, segments, views.attention, log_sum_exp);
  AttentionOutput(context, layer, views, stream, buffers.projections);
  if (keep) CopyOrAdd(rt, stream, activations.middle.View(DType::kF32, stream.rows, stream.cols), false);
  FeedForward(context, layer, views, stream, buffers.projections);
  return stream;
}

LossSum LossAndGradients(const Runtime& rt, const Model& model, const LoraAdapter& adapter, const PackedBatch& batch,
                         DropoutState dropout, float gradient_scale, std::span<float> gradients,
                         TrainingWorkspace* workspace, const SequenceLoss& sequence_loss) {
  HEW_CHECK(gradients.size() == adapter.parameters.size());
  const LoraAdapter* const adapters[] = {&adapter};
  const TrainingTechniques techniques = workspace ? workspace->techniques : TrainingTechniques();
  const DecoderContext context{rt, model, adapters, &dropout, techniques};
  const int64_t lowest = adapter.modules.empty() ? model.config.num_hidden_layers : adapter.lowest_layer();
  return ForwardAndBackward(context, batch, techniques.lowest_layer ? lowest : 0, gradient_scale, gradients, workspace,
                            sequence_loss);
}

LossSum FullLossAndGradients(const Runtime& rt, const TrainableModel& trainable, const PackedBatch& batch,
                             float gradient_scale, std::span<float> gradients, TrainingWorkspace* workspace) {
  HEW_CHECK(gradients.size() == trainable.layout().size());
  const TrainingTechniques techniques = workspace ? workspace->techniques : TrainingTechniques();
  const DecoderContext context{rt, trainable.model(), {}, nullptr, techniques, &trainable.layout()};
  return ForwardAndBackward(context, batch, 0, gradient_scale, gradients, workspace);
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
  const DecoderContext context{rt, model, adapters, nullptr, workspace ? workspace->techniques : TrainingTechniques()};
  const MatrixView learned =
      Forward(context, batch, PositionsOf(model.config, batch), model.config.num_hidden_layers, nullptr, buffers);
  const LossSum loss = HeadLoss(context, batch, learned, 1, nullptr, buffers, {});
  if (token_losses) *token_losses = buffers.losses;
  return loss;
}

}  // namespace hew
