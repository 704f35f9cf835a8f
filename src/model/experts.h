// The feed-forward part of a sparse layer: a router sends each row through a few of many experts, and their outputs are
// added up by its weights (Shazeer et al. 2017; Jiang et al. 2024). Experts and router are frozen: in training the
// gradient goes through them. Internal to model/.
#pragma once

#include <vector>

#include "model/decoder_layer.h"

namespace hew {

// Which expert sees which rows. A slot is one row in one expert; slots stand by rising expert, in it by rising row.
struct Routing {
  std::vector<int64_t> begin;      // [num_experts + 1] first slot of each expert, and the end
  std::vector<int32_t> rows;       // [slots] the row of a slot
  std::vector<float> weights;      // [slots] the weight of that expert for that row
  std::vector<int32_t> row_slots;  // [rows, num_experts_per_tok] the slots of a row, by rising expert

  int64_t slots() const { return static_cast<int64_t>(rows.size()); }
};

// The most likely experts of each row of `normed` [rows, hidden_size], of equal ones those with lower numbers; always
// computed in fp32, because a rounded logit may choose another expert. `shares` [rows, num_experts] fp32 receives what
// the weights are taken from: the softmax of the router's logits, over the chosen ones if norm_topk_prob, else over
// all.
Routing Route(const DecoderContext& context, int64_t layer, ConstMatrixView normed, MatrixView shares);

// residual += the weighted sum of what the experts of each row give for views.normed, or the norm of that. A row's
// terms are added by rising expert: its bits do not depend on other rows. views.gate, up and activated have a row per
// slot.
void ExpertsForward(const DecoderContext& context, int64_t layer, const LayerViews& views, MatrixView residual,
                    ExpertScratch& scratch);

// From the gradient of the sum, d_output [rows, hidden_size], to that of views.normed, d_normed [rows, hidden_size]
// fp32, through the experts and through the router's weights (not through its choice, which has none). views.gate and
// up hold what ExpertsForward left there and are overwritten; d_activated [slots, moe_intermediate_size] is for use
// within.
void ExpertsBackward(const DecoderContext& context, int64_t layer, const LayerViews& views, ConstMatrixView d_output,
                     MatrixView d_activated, MatrixView d_normed, ExpertScratch& scratch);

}  // namespace hew
