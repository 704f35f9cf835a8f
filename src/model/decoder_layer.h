// The steps of one decoder block, forward, shared by serving and training: only where keys and values lie and what is
// kept differs between the two. Internal to model/.
#pragma once

#include <span>

#include "kernels/attention.h"
#include "model/names.h"
#include "model/projection.h"

namespace hew {

// Where each row of a batch stands.
struct RowPositions {
  std::vector<int32_t> positions;  // [rows] in its sequence
  std::vector<int32_t> rope_rows;  // [rows] of the rotary tables: see MakeRopeTable
};

// Views of one batch of rows; activation type where no other is said.
struct LayerViews {
  MatrixView q_projected, k_projected;  // ModelConfig::qk_norm: before norm and rotation; may be q and k themselves
  MatrixView q, attention;              // [rows, query_size]; q rotated
  MatrixView k, v;                      // [rows, key_value_size]; k rotated
  // [rows, intermediate_size], of a sparse layer [rows * experts_per_row, moe_intermediate_size]; activated is
  // act(gate) * up, or act(up) without gate.
  MatrixView gate, up, activated;
  int64_t experts_per_row = 1;
  MatrixView normed;  // [rows, hidden_size]
  // ModelConfig::output_norms: [rows, hidden_size] fp32, before their norms; may be the same memory.
  MatrixView attention_output, feed_forward_output;
};

AttentionShape AttentionShapeOf(const ModelConfig& config, int64_t layer);

// One row per head of x [rows, heads * head_dim], without a gap between its rows.
MatrixView HeadsAsRows(MatrixView x, int64_t head_dim);

// y (+)= norm of x, row by row.
void NormForward(const DecoderContext& context, const Norm& norm, ConstMatrixView x, MatrixView y,
                 bool accumulate = false);
// Where the gradients of a norm's numbers go; null: they are frozen.
struct NormGradient {
  float *weight = nullptr, *bias = nullptr;  // [size]
};
// d_x (+)= the gradient of its input; d_x may be d_y. `d_norm` is added to.
void NormBackward(const DecoderContext& context, const Norm& norm, ConstMatrixView x, ConstMatrixView d_y,
                  MatrixView d_x, bool accumulate, NormGradient d_norm);
// Where those of the norm `t` stand in `gradients`, if all weights learn.
NormGradient NormGradientOf(const DecoderContext& context, std::span<float> gradients, ModelTensor t,
                            int64_t layer = 0);

// The residual stream [rows, hidden_size] fp32 before the first layer.
void Embed(const DecoderContext& context, std::span<const int32_t> ids, const RowPositions& at, MatrixView residual);
// Rotates q or k, or back; nothing in a layer without rotary positions.
void RotateHeads(const DecoderContext& context, int64_t layer, const RowPositions& at, bool inverse, MatrixView x);

// Points gate and up at memory for `rows` rows of that layer.
void PlaceFeedForward(const DecoderContext& context, int64_t layer, int64_t rows, Scratch& gate, Scratch& up,
                      LayerViews* views);

// The first `rows` rows of every view, and what belongs to them of those that have several of each.
LayerViews FirstRows(const LayerViews& views, int64_t rows);
// Row i of y is row rows[i] of x, or is added to it.
void GatherRows(const Runtime& rt, ConstMatrixView x, std::span<const int32_t> rows, MatrixView y);
void AddToRows(const Runtime& rt, ConstMatrixView x, std::span<const int32_t> rows, MatrixView y);
RowPositions GatherRows(const RowPositions& at, std::span<const int32_t> rows);

// q, k, v from the residual stream [rows, hidden_size], fp32; its norm stays in views.normed.
void AttentionInputs(const DecoderContext& context, int64_t layer, ConstMatrixView residual, const RowPositions& at,
                     const LayerViews& views, ProjectionScratch& scratch);
// The same in two parts, for a last layer of which few rows are asked: keys and values of all rows; and queries of
// those rows whose norms are in views.normed.
void KeysAndValues(const DecoderContext& context, int64_t layer, ConstMatrixView residual, const RowPositions& at,
                   const LayerViews& views, ProjectionScratch& scratch);
void Queries(const DecoderContext& context, int64_t layer, const RowPositions& at, const LayerViews& views,
             ProjectionScratch& scratch);
// residual += o_proj(attention), or the norm of that.
void AttentionOutput(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                     ProjectionScratch& scratch);
// activated from gate and up.
void ActivateFeedForward(const DecoderContext& context, const LayerViews& views);
// residual += down_proj(activated), or what the experts give; or the norm of that.
void FeedForward(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                 ProjectionScratch& scratch);

}  // namespace hew
