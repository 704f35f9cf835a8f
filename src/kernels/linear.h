// Products with weights: the forward pass, the gradient of its input, and the gradient of a trainable weight.
//
// Numeric mode (Runtime::bf16()): inputs and weights rounded to bf16, products summed in fp32 in increasing order of the
// contracted index, one accumulator per output, operand after operand; otherwise all in fp32 in the same order. A row's
// result has the same bits alone or among others, and for any number of threads.
#pragma once

#include <span>

#include "base/runtime.h"
#include "tensor/view.h"
#include "tensor/weight.h"

namespace hew {

// One operand pair of a product: LoRA is a second pair, y = [x, h] [W, sB]'.
struct LinearTerm {
  ConstMatrixView x;         // Linear: [M, K];  LinearInputGradient: d_y [M, N]
  const Weight* w = nullptr;  // [N, K]
};

// y[M, N] = sum over terms of x w', plus bias [N] (may be null); added to y if `accumulate` (the residual stream).
// y is fp32 or bf16 (rounded on store). May not run in place. Scratch is allocated inside, per call or per pool.
void Linear(const Runtime& rt, std::span<const LinearTerm> terms, const float* bias, MatrixView y, bool accumulate = false);

// d_x[M, K] = sum over terms of d_y w, overwritten or added.
void LinearInputGradient(const Runtime& rt, std::span<const LinearTerm> terms, MatrixView d_x, bool accumulate = false);

// c[P, Q] (+)= scale * a' b with a [T, P], b [T, Q]: the gradient of a trainable matrix, summed over the T tokens in
// order. c is fp32.
void OuterProductGradient(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c, bool accumulate = true);

}  // namespace hew
