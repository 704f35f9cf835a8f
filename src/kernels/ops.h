// The small kernels between the products: normalisation, rotary positions, gated activations, embedding, loss,
// optimiser. Views may be fp32 or bf16; arithmetic is fp32. Every forward has its backward beside it. Rows are
// independent, so bits do not depend on threads or neighbours; exp, tanh and sin are our own or correctly rounded libm
// calls on one thread's row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/runtime.h"
#include "tensor/view.h"
#include "tensor/weight.h"

namespace hew {

// out[i] (+)= scale * row ids[i] of table, fp32 [M, cols]. ids are checked by the caller.
void EmbedTokens(const Runtime& rt, const Weight& table, std::span<const int32_t> ids, float scale, MatrixView out,
                 bool accumulate = false);

// Its backward: d_table [vocab, cols] fp32 row ids[i] += scale * d_out[i], in the order of i.
void EmbedTokensBackward(const Runtime& rt, ConstMatrixView d_out, std::span<const int32_t> ids, float scale,
                         MatrixView d_table);

// y (+)= x / sqrt(mean(x^2) + eps) * gain, over each row [cols]. x fp32 or bf16; may run in place. (Zhang & Sennrich
// 2019) With cols = head_dim and a view of heads as rows it is QK-norm.
void RmsNorm(const Runtime& rt, ConstMatrixView x, const float* gain, float eps, MatrixView y, bool accumulate = false);
// d_x (+)= gradient; d_x may be d_y. d_gain [cols] (may be null) is added to, summed over rows in order.
void RmsNormBackward(const Runtime& rt, ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y,
                     MatrixView d_x, bool accumulate, float* d_gain);

// y (+)= (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * gain + bias, over each row; may run in place. (Ba et al.
// 2016)
void LayerNorm(const Runtime& rt, ConstMatrixView x, const float* gain, const float* bias, float eps, MatrixView y,
               bool accumulate = false);
// d_x (+)= gradient; d_x may be d_y. d_gain and d_bias [cols] (both or neither null) are added to, summed over rows in
// order.
void LayerNormBackward(const Runtime& rt, ConstMatrixView x, const float* gain, float eps, ConstMatrixView d_y,
                       MatrixView d_x, bool accumulate, float* d_gain, float* d_bias);

enum class RopePairing { kHalves, kInterleaved };  // (i, i + d/2), or (2i, 2i + 1)

// Cosines and sines [positions, head_dim / 2], made once per model (angles computed in double).
struct RopeTable {
  int64_t positions = 0, half = 0;
  std::vector<float> cos, sin;
};
// Rotates every head of x [M, heads * head_dim] in place by the angle of its row's position; `inverse` rotates back,
// which is the backward pass. positions[i] < table.positions. rotated dims = 2 * table.half <= head_dim (from dim 0).
void Rope(const Runtime& rt, const RopeTable& table, RopePairing pairing, std::span<const int32_t> positions,
          int64_t head_dim, bool inverse, MatrixView x);

enum class Activation { kSilu, kGeluTanh, kGelu };

// out = act(gate) * up, all [M, intermediate].
void GatedActivation(const Runtime& rt, Activation act, ConstMatrixView gate, ConstMatrixView up, MatrixView out);
// d_gate, d_up overwritten; may alias gate and up themselves.
void GatedActivationBackward(const Runtime& rt, Activation act, ConstMatrixView gate, ConstMatrixView up,
                             ConstMatrixView d_out, MatrixView d_gate, MatrixView d_up);

// The same without a gate: out = act(x); d_x = d_out act'(x), may alias x. May run in place.
void Activate(const Runtime& rt, Activation act, ConstMatrixView x, MatrixView out);
void ActivateBackward(const Runtime& rt, Activation act, ConstMatrixView x, ConstMatrixView d_out, MatrixView d_x);

// x = cap * tanh(x / cap), in place: what Gemma 2 does to its logits.
void Softcap(const Runtime& rt, float cap, MatrixView x);

// logits fp32 [M, V], targets[i] in [0, V), weights[i] >= 0. Writes loss[i] = -log softmax(logits[i])[targets[i]]
// (unweighted) and replaces logits by weights[i] * (softmax - onehot), in d_logits (fp32 or bf16; may be the same
// memory when fp32). softcap > 0: `logits` went through Softcap with that cap, and d_logits is the gradient of what
// they were before.
void CrossEntropy(const Runtime& rt, ConstMatrixView logits, std::span<const int32_t> targets,
                  std::span<const float> weights, float* loss, MatrixView d_logits, float softcap = 0);
// log(sum(exp(row))) of each row, fp32, for scoring.
void LogSumExp(const Runtime& rt, ConstMatrixView logits, float* out);

// y[i, :] = x[i, :] * column_scale (DoRA), overwritten or added; x and y may be the same.
void ScaleColumns(const Runtime& rt, ConstMatrixView x, const float* column_scale, MatrixView y, bool accumulate);
// y = x with each element kept with probability 1 - p and scaled by 1 / (1 - p). The fate of element n = i * cols + j
// depends on (seed, stream, n) alone (Philox, see ops_kernels.h): calling it again on a gradient with the same numbers
// is the backward pass. Added if `accumulate`.
void Dropout(const Runtime& rt, ConstMatrixView x, float p, uint64_t seed, uint64_t stream, MatrixView y,
             bool accumulate);
// y (+)= x, converting types.
void CopyOrAdd(const Runtime& rt, ConstMatrixView x, MatrixView y, bool accumulate);

// sum [cols] fp32 += the rows of x, in order: the gradient of a bias.
void AddRows(const Runtime& rt, ConstMatrixView x, float* sum);

// Sum of squares in double, in a fixed order that does not depend on threads.
double SumOfSquares(const Runtime& rt, std::span<const float> x);

struct AdamWSettings {
  float lr = 0, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f,
        weight_decay = 0;    // decoupled decay (Loshchilov & Hutter 2019)
  int64_t step = 1;          // from 1, for bias correction
  float gradient_scale = 1;  // clipping and normalisation, applied to the gradient first
};
// One step over flat buffers, all the same length; as torch.optim.AdamW computes it, in fp32.
void AdamW(const Runtime& rt, const AdamWSettings& settings, std::span<const float> gradient,
           std::span<float> parameter, std::span<float> first_moment, std::span<float> second_moment);

}  // namespace hew
