#include "model/decoder_layer.h"

#include "kernels/ops.h"

namespace hew {
namespace {

const LayerWeights& WeightsOf(const DecoderContext& context, int64_t layer) {
  return context.model.layers[static_cast<size_t>(layer)];
}

// residual += p(x), or the norm of that, for which `output` holds what p gives.
void AddToResidual(const DecoderContext& context, int64_t layer, Projection p, ConstMatrixView x, const Norm& norm,
                   MatrixView output, MatrixView residual, ProjectionScratch& scratch) {
  if (!context.model.config.output_norms) {
    ProjectionForward(context, layer, p, x, residual, true, scratch);
    return;
  }
  ProjectionForward(context, layer, p, x, output, false, scratch);
  NormForward(context, norm, output, residual, true);
}

}  // namespace

AttentionShape AttentionShapeOf(const ModelConfig& config, int64_t layer) {
  AttentionShape shape;
  shape.heads = config.num_attention_heads;
  shape.kv_heads = config.num_key_value_heads;
  shape.head_dim = config.head_dim;
  shape.scale = config.attention_scale;
  shape.window = config.layers[static_cast<size_t>(layer)].window;
  shape.softcap = config.attention_softcap;
  return shape;
}

MatrixView HeadsAsRows(MatrixView x, int64_t head_dim) {
  HEW_CHECK(x.stride == x.cols && x.cols % head_dim == 0);
  return {x.data, x.dtype, x.rows * (x.cols / head_dim), head_dim, head_dim};
}

void NormForward(const DecoderContext& context, const Norm& norm, ConstMatrixView x, MatrixView y, bool accumulate) {
  const float eps = context.model.config.norm_eps;
  if (context.model.config.norm == NormKind::kLayer) {
    LayerNorm(context.rt, x, norm.weight.data(), norm.bias.data(), eps, y, accumulate);
  } else {
    RmsNorm(context.rt, x, norm.weight.data(), eps, y, accumulate);
  }
}

void NormBackward(const DecoderContext& context, const Norm& norm, ConstMatrixView x, ConstMatrixView d_y,
                  MatrixView d_x, bool accumulate) {
  const float eps = context.model.config.norm_eps;
  if (context.model.config.norm == NormKind::kLayer) {
    LayerNormBackward(context.rt, x, norm.weight.data(), eps, d_y, d_x, accumulate);
  } else {
    RmsNormBackward(context.rt, x, norm.weight.data(), eps, d_y, d_x, accumulate, nullptr);
  }
}

void Embed(const DecoderContext& context, std::span<const int32_t> ids, const RowPositions& at, MatrixView residual) {
  const Model& model = context.model;
  EmbedTokens(context.rt, model.embed_tokens, ids, model.config.embedding_scale, residual);
  if (model.config.learned_positions) EmbedTokens(context.rt, model.embed_positions, at.positions, 1, residual, true);
}

void RotateHeads(const DecoderContext& context, int64_t layer, const RowPositions& at, bool inverse, MatrixView x) {
  const ModelConfig& config = context.model.config;
  const int rope = config.layers[static_cast<size_t>(layer)].rope;
  if (rope == kNoRope) return;
  Rope(context.rt, context.model.ropes[static_cast<size_t>(rope)], config.rope_pairing, at.rope_rows, config.head_dim,
       inverse, x);
}

void AttentionInputs(const DecoderContext& context, int64_t layer, ConstMatrixView residual, const RowPositions& at,
                     const LayerViews& views, ProjectionScratch& scratch) {
  const ModelConfig& config = context.model.config;
  const LayerWeights& weights = WeightsOf(context, layer);
  NormForward(context, weights.input_norm, residual, views.normed);
  ProjectionForward(context, layer, Projection::kQ, views.normed, config.qk_norm ? views.q_projected : views.q, false,
                    scratch);
  ProjectionForward(context, layer, Projection::kK, views.normed, config.qk_norm ? views.k_projected : views.k, false,
                    scratch);
  ProjectionForward(context, layer, Projection::kV, views.normed, views.v, false, scratch);
  if (config.qk_norm) {
    const int64_t d = config.head_dim;
    NormForward(context, weights.q_norm, HeadsAsRows(views.q_projected, d), HeadsAsRows(views.q, d));
    NormForward(context, weights.k_norm, HeadsAsRows(views.k_projected, d), HeadsAsRows(views.k, d));
  }
  RotateHeads(context, layer, at, false, views.q);
  RotateHeads(context, layer, at, false, views.k);
}

void AttentionOutput(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                     ProjectionScratch& scratch) {
  AddToResidual(context, layer, Projection::kO, views.attention, WeightsOf(context, layer).attention_output_norm,
                views.attention_output, residual, scratch);
}

void ActivateFeedForward(const DecoderContext& context, const LayerViews& views) {
  const ModelConfig& config = context.model.config;
  if (config.gated) {
    GatedActivation(context.rt, config.hidden_act, views.gate, views.up, views.activated);
  } else {
    Activate(context.rt, config.hidden_act, views.up, views.activated);
  }
}

void FeedForward(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                 ProjectionScratch& scratch) {
  const LayerWeights& weights = WeightsOf(context, layer);
  NormForward(context, weights.feed_forward_norm, residual, views.normed);
  if (context.model.config.gated)
    ProjectionForward(context, layer, Projection::kGate, views.normed, views.gate, false, scratch);
  ProjectionForward(context, layer, Projection::kUp, views.normed, views.up, false, scratch);
  ActivateFeedForward(context, views);
  AddToResidual(context, layer, Projection::kDown, views.activated, weights.feed_forward_output_norm,
                views.feed_forward_output, residual, scratch);
}

}  // namespace hew
