// The steps of one decoder block, forward, shared by serving and training: only where keys and values lie and what is
// kept differs between the two. Internal to model/.
#pragma once

#include <span>

#include "kernels/attention.h"
#include "model/projection.h"

namespace hew {

// Views of one batch of rows; activation type.
struct LayerViews {
  MatrixView q, attention;         // [rows, query_size]; q rotated
  MatrixView k, v;                 // [rows, key_value_size]; k rotated
  MatrixView gate, up, activated;  // [rows, intermediate_size]; activated = act(gate) * up
  MatrixView normed;               // [rows, hidden_size]
};

AttentionShape AttentionShapeOf(const ModelConfig& config);

// q, k, v from the residual stream [rows, hidden_size], fp32. positions [rows].
void AttentionInputs(const DecoderContext& context, int64_t layer, ConstMatrixView residual,
                     std::span<const int32_t> positions, const LayerViews& views, ProjectionScratch& scratch);
// residual += o_proj(attention).
void AttentionOutput(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                     ProjectionScratch& scratch);
// residual += down_proj(act(gate) * up).
void FeedForward(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                 ProjectionScratch& scratch);

}  // namespace hew
