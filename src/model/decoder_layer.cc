#include "model/decoder_layer.h"

#include <cstring>

#include "kernels/ops.h"
#include "model/experts.h"
#include "model/trainable.h"

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
                  MatrixView d_x, bool accumulate, NormGradient d_norm) {
  const float eps = context.model.config.norm_eps;
  if (context.model.config.norm == NormKind::kLayer) {
    LayerNormBackward(context.rt, x, norm.weight.data(), eps, d_y, d_x, accumulate, d_norm.weight, d_norm.bias);
  } else {
    RmsNormBackward(context.rt, x, norm.weight.data(), eps, d_y, d_x, accumulate, d_norm.weight);
  }
}

NormGradient NormGradientOf(const DecoderContext& context, std::span<float> gradients, ModelTensor t, int64_t layer) {
  if (!context.all) return {};
  const bool bias = context.model.config.norm == NormKind::kLayer;
  return {gradients.data() + context.all->At(t, layer),
          bias ? gradients.data() + context.all->At(t, layer, true) : nullptr};
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

void PlaceFeedForward(const DecoderContext& context, int64_t layer, int64_t rows, Scratch& gate, Scratch& up,
                      LayerViews* views) {
  const ModelConfig& config = context.model.config;
  const DType type = context.activation_type();
  const int64_t inner = config.feed_forward_size(layer);
  views->experts_per_row = config.experts_per_row(layer);
  if (config.gated) views->gate = gate.View(type, rows * views->experts_per_row, inner);
  views->up = up.View(type, rows * views->experts_per_row, inner);
}

LayerViews FirstRows(const LayerViews& views, int64_t rows) {
  LayerViews first = views;
  const auto cut = [](MatrixView* v, int64_t most) {
    if (v->rows > most) *v = v->Rows(0, most);
  };
  for (MatrixView* v : {&first.q_projected, &first.k_projected, &first.q, &first.attention, &first.k, &first.v,
                        &first.normed, &first.attention_output, &first.feed_forward_output}) {
    cut(v, rows);
  }
  for (MatrixView* v : {&first.gate, &first.up, &first.activated}) cut(v, rows * views.experts_per_row);
  return first;
}

void GatherRows(const Runtime& rt, ConstMatrixView x, std::span<const int32_t> rows, MatrixView y) {
  HEW_CHECK(x.dtype == y.dtype && x.cols == y.cols && y.rows == static_cast<int64_t>(rows.size()));
  const auto bytes = static_cast<size_t>(x.cols * y.element_bytes());
  rt.pool->ParallelFor(y.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto from = static_cast<int64_t>(rows[static_cast<size_t>(i)]) * x.stride * y.element_bytes();
      std::memcpy(y.Rows(i, 1).data, static_cast<const std::byte*>(x.data) + from, bytes);
    }
  });
}

void AddToRows(const Runtime& rt, ConstMatrixView x, std::span<const int32_t> rows, MatrixView y) {
  HEW_CHECK(x.dtype == DType::kF32 && y.dtype == DType::kF32 && x.cols == y.cols &&
            x.rows == static_cast<int64_t>(rows.size()));
  rt.pool->ParallelFor(x.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* from = x.f32(i);
      float* to = y.f32(rows[static_cast<size_t>(i)]);
      for (int64_t c = 0; c < x.cols; ++c) to[c] += from[c];
    }
  });
}

RowPositions GatherRows(const RowPositions& at, std::span<const int32_t> rows) {
  RowPositions kept;
  for (const int32_t row : rows) {
    kept.positions.push_back(at.positions[static_cast<size_t>(row)]);
    kept.rope_rows.push_back(at.rope_rows[static_cast<size_t>(row)]);
  }
  return kept;
}

namespace {

// From what q_proj or k_proj gave to rotated heads.
void FinishHeads(const DecoderContext& context, int64_t layer, const RowPositions& at, const Norm& norm,
                 MatrixView projected, MatrixView heads) {
  const int64_t d = context.model.config.head_dim;
  if (context.model.config.qk_norm) NormForward(context, norm, HeadsAsRows(projected, d), HeadsAsRows(heads, d));
  RotateHeads(context, layer, at, false, heads);
}

MatrixView QueryOutput(const DecoderContext& context, const LayerViews& views) {
  return context.model.config.qk_norm ? views.q_projected : views.q;
}
MatrixView KeyOutput(const DecoderContext& context, const LayerViews& views) {
  return context.model.config.qk_norm ? views.k_projected : views.k;
}

}  // namespace

void AttentionInputs(const DecoderContext& context, int64_t layer, ConstMatrixView residual, const RowPositions& at,
                     const LayerViews& views, ProjectionScratch& scratch) {
  const LayerWeights& weights = WeightsOf(context, layer);
  NormForward(context, weights.input_norm, residual, views.normed);
  const ProjectionOutput group[] = {{Projection::kQ, QueryOutput(context, views)},
                                    {Projection::kK, KeyOutput(context, views)},
                                    {Projection::kV, views.v}};
  ProjectionForward(context, layer, group, views.normed, false, scratch);
  FinishHeads(context, layer, at, weights.q_norm, views.q_projected, views.q);
  FinishHeads(context, layer, at, weights.k_norm, views.k_projected, views.k);
}

void KeysAndValues(const DecoderContext& context, int64_t layer, ConstMatrixView residual, const RowPositions& at,
                   const LayerViews& views, ProjectionScratch& scratch) {
  const LayerWeights& weights = WeightsOf(context, layer);
  NormForward(context, weights.input_norm, residual, views.normed);
  const ProjectionOutput group[] = {{Projection::kK, KeyOutput(context, views)}, {Projection::kV, views.v}};
  ProjectionForward(context, layer, group, views.normed, false, scratch);
  FinishHeads(context, layer, at, weights.k_norm, views.k_projected, views.k);
}

void Queries(const DecoderContext& context, int64_t layer, const RowPositions& at, const LayerViews& views,
             ProjectionScratch& scratch) {
  ProjectionForward(context, layer, Projection::kQ, views.normed, QueryOutput(context, views), false, scratch);
  FinishHeads(context, layer, at, WeightsOf(context, layer).q_norm, views.q_projected, views.q);
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
  if (context.model.config.Sparse(layer)) return ExpertsForward(context, layer, views, residual, scratch.experts);
  const ProjectionOutput group[] = {{Projection::kUp, views.up}, {Projection::kGate, views.gate}};
  ProjectionForward(context, layer, std::span(group).first(context.model.config.gated ? 2 : 1), views.normed, false,
                    scratch);
  ActivateFeedForward(context, views);
  AddToResidual(context, layer, Projection::kDown, views.activated, weights.feed_forward_output_norm,
                views.feed_forward_output, residual, scratch);
}

}  // namespace hew
