// The backward pass of one decoder block, in the opposite order of model/decoder_layer.cc.
#include "kernels/ops.h"
#include "model/training_buffers.h"

namespace hew {
namespace {

// One layer's backward pass: what its steps share.
struct LayerPass {
  const DecoderContext& context;
  int64_t layer;
  LayerActivations& activations;
  TrainingWorkspace::Buffers& buffers;
  LayerViews views;
  std::span<float> gradients;

  const ModelConfig& config() const { return context.model.config; }
  const LayerWeights& weights() const { return context.model.layers[static_cast<size_t>(layer)]; }
  int64_t rows() const { return views.q.rows; }
  MatrixView Fp32(Scratch& s, int64_t cols) const { return s.View(DType::kF32, rows(), cols); }
  MatrixView Act(Scratch& s, int64_t cols) const { return s.View(context.activation_type(), rows(), cols); }

  // Whether any adapted projection runs before `p`: else the gradient of p's input is not needed.
  bool NeedsInputOf(Projection p) const {
    const LoraModule& first = context.adapters[0]->modules.front();
    return layer > first.layer || first.projection < p;
  }
  void Backward(std::initializer_list<OutputGradient> group, ConstMatrixView x, MatrixView* d_x) const {
    ProjectionBackward(context, layer, {group.begin(), group.size()}, x, d_x, false, gradients, buffers.projections);
  }
};

// The residual stream's gradient as the products read it: rounded to bf16 once rather than in each.
ConstMatrixView OutputGradientOf(const LayerPass& pass, MatrixView d_residual) {
  if (!pass.context.rt.bf16()) return d_residual;
  const MatrixView rounded = pass.Act(pass.buffers.d_output, d_residual.cols);
  CopyOrAdd(pass.context.rt, d_residual, rounded, false);
  return rounded;
}

// d_residual += gradient through the norm that made `normed` out of `x`.
void NormBackward(const LayerPass& pass, ConstMatrixView x, const std::vector<float>& gain, ConstMatrixView d_normed,
                  MatrixView d_residual) {
  RmsNormBackward(pass.context.rt, x, gain.data(), pass.config().rms_norm_eps, d_normed, d_residual, true, nullptr);
}

// Returns false when nothing below needs a gradient.
bool FeedForwardBackward(const LayerPass& pass, MatrixView d_residual) {
  const Runtime& rt = pass.context.rt;
  const ModelConfig& config = pass.config();
  const LayerViews& v = pass.views;
  GatedActivation(rt, config.hidden_act, v.gate, v.up, v.activated);
  MatrixView d_activated = pass.Act(pass.buffers.d_activated, config.intermediate_size);
  const ConstMatrixView d_output = OutputGradientOf(pass, d_residual);
  const bool more = pass.NeedsInputOf(Projection::kDown);
  pass.Backward({{Projection::kDown, d_output}}, v.activated, more ? &d_activated : nullptr);
  if (!more) return false;
  GatedActivationBackward(rt, config.hidden_act, v.gate, v.up, d_activated, v.gate, v.up);

  const MatrixView middle = pass.Fp32(pass.activations.middle, config.hidden_size);
  const std::vector<float>& gain = pass.weights().post_attention_norm;
  RmsNorm(rt, middle, gain.data(), config.rms_norm_eps, v.normed);
  MatrixView d_normed = pass.Fp32(pass.buffers.d_normed, config.hidden_size);
  const bool below = pass.NeedsInputOf(Projection::kGate);
  pass.Backward({{Projection::kGate, v.gate}, {Projection::kUp, v.up}}, v.normed, below ? &d_normed : nullptr);
  if (below) NormBackward(pass, middle, gain, d_normed, d_residual);
  return below;
}

void AttentionBlockBackward(const LayerPass& pass, const PackedBatch& batch, MatrixView d_residual) {
  const Runtime& rt = pass.context.rt;
  const ModelConfig& config = pass.config();
  const LayerViews& v = pass.views;
  MatrixView d_attention = pass.Act(pass.buffers.d_attention, config.query_size());
  const bool more = pass.NeedsInputOf(Projection::kO);
  pass.Backward({{Projection::kO, OutputGradientOf(pass, d_residual)}}, v.attention, more ? &d_attention : nullptr);
  if (!more) return;

  const MatrixView d_q = pass.Act(pass.buffers.d_q, config.query_size());
  const MatrixView d_k = pass.Act(pass.buffers.d_k, config.key_value_size());
  const MatrixView d_v = pass.Act(pass.buffers.d_v, config.key_value_size());
  const float* log_sum_exp = pass.Fp32(pass.activations.log_sum_exp, config.num_attention_heads).f32();
  AttentionBackward(rt, AttentionShapeOf(config), v.q, SegmentsOf(batch, v), v.attention, log_sum_exp, d_attention, d_q,
                    d_k, d_v);
  Rope(rt, pass.context.model.rope, config.rope_pairing, batch.positions, config.head_dim, true, d_q);
  Rope(rt, pass.context.model.rope, config.rope_pairing, batch.positions, config.head_dim, true, d_k);

  const MatrixView residual = pass.Fp32(pass.activations.residual, config.hidden_size);
  const std::vector<float>& gain = pass.weights().input_norm;
  RmsNorm(rt, residual, gain.data(), config.rms_norm_eps, v.normed);
  MatrixView d_normed = pass.Fp32(pass.buffers.d_normed, config.hidden_size);
  const bool below = pass.NeedsInputOf(Projection::kQ);
  pass.Backward({{Projection::kQ, d_q}, {Projection::kK, d_k}, {Projection::kV, d_v}}, v.normed,
                below ? &d_normed : nullptr);
  if (below) NormBackward(pass, residual, gain, d_normed, d_residual);
}

}  // namespace

void LayerBackward(const DecoderContext& context, const PackedBatch& batch, int64_t layer,
                   LayerActivations& activations, TrainingWorkspace::Buffers& buffers, MatrixView d_residual,
                   std::span<float> gradients) {
  const LayerPass pass{context,  layer, activations, buffers, ViewsOf(context, activations, buffers, d_residual.rows),
                       gradients};
  if (FeedForwardBackward(pass, d_residual)) AttentionBlockBackward(pass, batch, d_residual);
}

}  // namespace hew
