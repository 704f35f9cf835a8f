#include "model/decoder_layer.h"

#include <cmath>

#include "kernels/ops.h"

namespace hew {

AttentionShape AttentionShapeOf(const ModelConfig& config) {
  AttentionShape shape;
  shape.heads = config.num_attention_heads;
  shape.kv_heads = config.num_key_value_heads;
  shape.head_dim = config.head_dim;
  shape.scale = 1 / std::sqrt(static_cast<float>(config.head_dim));
  return shape;
}

void AttentionInputs(const DecoderContext& context, int64_t layer, ConstMatrixView residual,
                     std::span<const int32_t> positions, const LayerViews& views, ProjectionScratch& scratch) {
  const ModelConfig& config = context.model.config;
  const LayerWeights& weights = context.model.layers[static_cast<size_t>(layer)];
  RmsNorm(context.rt, residual, weights.input_norm.data(), config.rms_norm_eps, views.normed);
  ProjectionForward(context, layer, Projection::kQ, views.normed, views.q, false, scratch);
  ProjectionForward(context, layer, Projection::kK, views.normed, views.k, false, scratch);
  ProjectionForward(context, layer, Projection::kV, views.normed, views.v, false, scratch);
  Rope(context.rt, context.model.rope, config.rope_pairing, positions, config.head_dim, false, views.q);
  Rope(context.rt, context.model.rope, config.rope_pairing, positions, config.head_dim, false, views.k);
}

void AttentionOutput(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                     ProjectionScratch& scratch) {
  ProjectionForward(context, layer, Projection::kO, views.attention, residual, true, scratch);
}

void FeedForward(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                 ProjectionScratch& scratch) {
  const ModelConfig& config = context.model.config;
  const LayerWeights& weights = context.model.layers[static_cast<size_t>(layer)];
  RmsNorm(context.rt, residual, weights.post_attention_norm.data(), config.rms_norm_eps, views.normed);
  ProjectionForward(context, layer, Projection::kGate, views.normed, views.gate, false, scratch);
  ProjectionForward(context, layer, Projection::kUp, views.normed, views.up, false, scratch);
  GatedActivation(context.rt, config.hidden_act, views.gate, views.up, views.activated);
  ProjectionForward(context, layer, Projection::kDown, views.activated, residual, true, scratch);
}

}  // namespace hew
