// The backward pass of one decoder block, in the opposite order of model/decoder_layer.cc.
#include <cstring>

#include "kernels/ops.h"
#include "model/experts.h"
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

  // Whether anything that learns runs before `p`: else the gradient of p's input is not needed.
  bool NeedsInputOf(Projection p) const {
    if (context.all || !context.techniques.lowest_layer) return true;
    const LoraModule& first = context.adapters[0]->modules.front();
    return layer > first.layer || first.projection < p;
  }
  NormGradient GradientOf(ModelTensor norm) const { return NormGradientOf(context, gradients, norm, layer); }
  void Backward(std::initializer_list<OutputGradient> group, ConstMatrixView x, MatrixView* d_x) const {
    ProjectionBackward(context, layer, {group.begin(), group.size()}, x, d_x, false, gradients, buffers.projections);
  }
};

// The gradient of what o_proj or down_proj gave (`output`, where a norm follows), as the products read it: rounded to
// bf16 once rather than in each.
ConstMatrixView OutputGradientOf(const LayerPass& pass, const Norm& norm, ModelTensor name, ConstMatrixView output,
                                 MatrixView d_residual) {
  const bool normed = pass.config().output_norms;
  if (!normed && !pass.context.rt.bf16()) return d_residual;
  const MatrixView d_output = pass.Act(pass.buffers.d_output, d_residual.cols);
  if (normed) {
    NormBackward(pass.context, norm, output, d_residual, d_output, false, pass.GradientOf(name));
  } else {
    CopyOrAdd(pass.context.rt, d_residual, d_output, false);
  }
  return d_output;
}

// gate and up become their gradients.
void ActivationBackward(const LayerPass& pass, ConstMatrixView d_activated) {
  const Runtime& rt = pass.context.rt;
  const LayerViews& v = pass.views;
  if (pass.config().gated) {
    GatedActivationBackward(rt, pass.config().hidden_act, v.gate, v.up, d_activated, v.gate, v.up);
  } else {
    ActivateBackward(rt, pass.config().hidden_act, v.up, d_activated, v.up);
  }
}

// FeedForwardBackward where that part is experts, in which nothing learns.
bool SparseBackward(const LayerPass& pass, MatrixView d_residual) {
  const ModelConfig& config = pass.config();
  const LayerViews& v = pass.views;
  if (!pass.NeedsInputOf(Projection::kGate)) return false;
  const ConstMatrixView d_output =
      OutputGradientOf(pass, pass.weights().feed_forward_output_norm, ModelTensor::kFeedForwardOutputNorm,
                       v.feed_forward_output, d_residual);
  const MatrixView middle = pass.Fp32(pass.activations.middle, config.hidden_size);
  const Norm& norm = pass.weights().feed_forward_norm;
  NormForward(pass.context, norm, middle, v.normed);
  const MatrixView d_activated = pass.buffers.d_activated.View(v.up.dtype, v.up.rows, v.up.cols);
  const MatrixView d_normed = pass.Fp32(pass.buffers.d_normed, config.hidden_size);
  ExpertsBackward(pass.context, pass.layer, v, d_output, d_activated, d_normed, pass.buffers.projections.experts);
  NormBackward(pass.context, norm, middle, d_normed, d_residual, true, pass.GradientOf(ModelTensor::kFeedForwardNorm));
  return true;
}

// Returns false when nothing below needs a gradient.
bool FeedForwardBackward(const LayerPass& pass, MatrixView d_residual) {
  const ModelConfig& config = pass.config();
  if (config.Sparse(pass.layer)) return SparseBackward(pass, d_residual);
  const LayerViews& v = pass.views;
  ActivateFeedForward(pass.context, v);
  MatrixView d_activated = pass.Act(pass.buffers.d_activated, config.intermediate_size);
  const ConstMatrixView d_output =
      OutputGradientOf(pass, pass.weights().feed_forward_output_norm, ModelTensor::kFeedForwardOutputNorm,
                       v.feed_forward_output, d_residual);
  const bool more = pass.NeedsInputOf(Projection::kDown);
  pass.Backward({{Projection::kDown, d_output}}, v.activated, more ? &d_activated : nullptr);
  if (!more) return false;
  ActivationBackward(pass, d_activated);

  const MatrixView middle = pass.Fp32(pass.activations.middle, config.hidden_size);
  const Norm& norm = pass.weights().feed_forward_norm;
  NormForward(pass.context, norm, middle, v.normed);
  MatrixView d_normed = pass.Fp32(pass.buffers.d_normed, config.hidden_size);
  const bool below = pass.NeedsInputOf(Projection::kGate);
  MatrixView* d_input = below ? &d_normed : nullptr;
  if (config.gated) {
    pass.Backward({{Projection::kGate, v.gate}, {Projection::kUp, v.up}}, v.normed, d_input);
  } else {
    pass.Backward({{Projection::kUp, v.up}}, v.normed, d_input);
  }
  if (below) {
    NormBackward(pass.context, norm, middle, d_normed, d_residual, true,
                 pass.GradientOf(ModelTensor::kFeedForwardNorm));
  }
  return below;
}

// From the rotated heads' gradient back to that of what the projection gave, in place.
void HeadsBackward(const LayerPass& pass, const RowPositions& at, const Norm& norm, ModelTensor name,
                   MatrixView projected, MatrixView d_heads) {
  RotateHeads(pass.context, pass.layer, at, true, d_heads);
  if (!pass.config().qk_norm) return;
  const int64_t d = pass.config().head_dim;
  const MatrixView rows = HeadsAsRows(d_heads, d);
  NormBackward(pass.context, norm, HeadsAsRows(projected, d), rows, rows, false, pass.GradientOf(name));
}

// The gradient of the norm that q_proj, k_proj and v_proj share, of all rows, written to `d_normed` if `below`. Where
// only learned rows asked, q's part is added to those.
void InputsBackward(const LayerPass& pass, const PackedBatch& batch, bool few, ConstMatrixView normed,
                    ConstMatrixView d_q, ConstMatrixView d_k, ConstMatrixView d_v, bool below, MatrixView d_normed) {
  if (!few) {
    pass.Backward({{Projection::kQ, d_q}, {Projection::kK, d_k}, {Projection::kV, d_v}}, normed,
                  below ? &d_normed : nullptr);
    return;
  }
  const Runtime& rt = pass.context.rt;
  GatherRows(rt, normed, batch.learned_rows, pass.views.normed);
  MatrixView d_query_normed = pass.Fp32(pass.buffers.d_query_normed, normed.cols);
  pass.Backward({{Projection::kQ, d_q}}, pass.views.normed, below ? &d_query_normed : nullptr);
  pass.Backward({{Projection::kK, d_k}, {Projection::kV, d_v}}, normed, below ? &d_normed : nullptr);
  if (below) AddToRows(rt, d_query_normed, batch.learned_rows, d_normed);
}

void AttentionBlockBackward(const LayerPass& pass, const PackedBatch& batch, const RowPositions& at,
                            MatrixView d_stream, MatrixView d_residual) {
  const Runtime& rt = pass.context.rt;
  const ModelConfig& config = pass.config();
  const DType type = pass.context.activation_type();
  const LayerViews& v = pass.views;
  const bool few = OnlyLearnedRows(pass.context, batch, pass.layer);
  MatrixView d_attention = pass.Act(pass.buffers.d_attention, config.query_size());
  const bool more = pass.NeedsInputOf(Projection::kO);
  const ConstMatrixView d_output = OutputGradientOf(pass, pass.weights().attention_output_norm,
                                                    ModelTensor::kAttentionOutputNorm, v.attention_output, d_stream);
  pass.Backward({{Projection::kO, d_output}}, v.attention, more ? &d_attention : nullptr);
  if (!more) return;

  const int64_t rows = d_residual.rows;
  const MatrixView d_q = pass.Act(pass.buffers.d_q, config.query_size());
  const MatrixView d_k = pass.buffers.d_k.View(type, rows, config.key_value_size());
  const MatrixView d_v = pass.buffers.d_v.View(type, rows, config.key_value_size());
  if (few) {  // keys that no learned row sees
    std::memset(d_k.data, 0, static_cast<size_t>(rows * d_k.cols * d_k.element_bytes()));
    std::memset(d_v.data, 0, static_cast<size_t>(rows * d_v.cols * d_v.element_bytes()));
  }
  const float* log_sum_exp = pass.Fp32(pass.activations.log_sum_exp, config.num_attention_heads).f32();
  AttentionBackward(rt, AttentionShapeOf(config, pass.layer), v.q,
                    few ? LearnedSegmentsOf(batch, v) : SegmentsOf(batch, v), v.attention, log_sum_exp, d_attention,
                    d_q, d_k, d_v);
  HeadsBackward(pass, few ? GatherRows(at, batch.learned_rows) : at, pass.weights().q_norm, ModelTensor::kQNorm,
                v.q_projected, d_q);
  HeadsBackward(pass, at, pass.weights().k_norm, ModelTensor::kKNorm, v.k_projected, d_k);

  const MatrixView residual = pass.activations.residual.View(DType::kF32, rows, config.hidden_size);
  const MatrixView normed = pass.buffers.normed.View(type, rows, config.hidden_size);
  const Norm& norm = pass.weights().input_norm;
  NormForward(pass.context, norm, residual, normed);
  const MatrixView d_normed = pass.buffers.d_normed.View(DType::kF32, rows, config.hidden_size);
  const bool below = pass.NeedsInputOf(Projection::kQ);
  InputsBackward(pass, batch, few, normed, d_q, d_k, d_v, below, d_normed);
  if (!below) return;
  if (few) AddToRows(rt, d_stream, batch.learned_rows, d_residual);
  NormBackward(pass.context, norm, residual, d_normed, d_residual, true, pass.GradientOf(ModelTensor::kInputNorm));
}

}  // namespace

void LayerBackward(const DecoderContext& context, const PackedBatch& batch, const RowPositions& at, int64_t layer,
                   LayerActivations& activations, TrainingWorkspace::Buffers& buffers, MatrixView d_stream,
                   MatrixView d_residual, std::span<float> gradients) {
  LayerViews views = ViewsOf(context, layer, activations, buffers, d_residual.rows);
  if (OnlyLearnedRows(context, batch, layer)) views = LearnedViewsOf(views, buffers, d_stream.rows);
  const LayerPass pass{context, layer, activations, buffers, views, gradients};
  if (FeedForwardBackward(pass, d_stream)) AttentionBlockBackward(pass, batch, at, d_stream, d_residual);
}

}  // namespace hew
