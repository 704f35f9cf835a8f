// Products with weights: the forward pass, the gradient of its input, and the gradient of a trainable weight.
//
// Numeric mode (Runtime::bf16()): inputs and weights rounded to bf16, products summed in fp32 in increasing order of the
// contracted index, one accumulator per output, operand after operand; otherwise all in fp32 in the same order. With
// Precision::kInt8 Linear's first term, if its weight has whole codes, is a product of int8 (kernels/cpu/linear_int8.h). A row's
// result has the same bits alone or among others, and for any number of threads.
#pragma once

#include <span>

#include "base/runtime.h"
#include "tensor/view.h"
#include "tensor/weight.h"

namespace hew {

// One operand pair of a product: LoRA is a second pair, y = [x, h] [W, sB]'. In Linear and LinearAll a term may be of
// some rows of y alone: the low-rank part of one adapter among several.
struct LinearTerm {
  ConstMatrixView x;         // Linear: [M, K];  LinearInputGradient: d_y [M, N]
  const Weight* w = nullptr;  // [N, K]
  int64_t first_row = 0;      // x is of rows [first_row, first_row + x.rows) of y
};

// One product among several: y (+)= sum over terms, plus bias (may be null).
struct LinearProduct {
  std::span<const LinearTerm> terms;
  const float* bias = nullptr;
  MatrixView y;
  bool accumulate = false;
  bool after = false;  // this product, or one after it, reads what products before it write
};

// y[M, N] = sum over terms of x w', plus bias [N] (may be null); added to y if `accumulate` (the residual stream).
// y is fp32 or bf16 (rounded on store). May not run in place. Scratch is allocated inside, per call or per pool.
void Linear(const Runtime& rt, std::span<const LinearTerm> terms, const float* bias, MatrixView y, bool accumulate = false);

// Several products, each as Linear would give it, in fewer meetings of the threads, and an input that several read is
// packed once. None may read another's y, unless `after` stands between them.
void LinearAll(const Runtime& rt, std::span<const LinearProduct> products);

// d_x[M, K] = sum over terms of d_y w, overwritten or added.
void LinearInputGradient(const Runtime& rt, std::span<const LinearTerm> terms, MatrixView d_x, bool accumulate = false);

// Several gradients of the same M at once: term.x is d_y, product.y is d_x, no bias.
void LinearInputGradientAll(const Runtime& rt, std::span<const LinearProduct> products);

// c[P, Q] (+)= scale * a' b with a [T, P], b [T, Q]: the gradient of a trainable matrix, summed over the T tokens in
// order. c is fp32.
void OuterProductGradient(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c, bool accumulate = true);

// Several of them at once, of any sizes.
struct OuterProduct {
  ConstMatrixView a, b;
  float scale = 1;
  MatrixView c;
  bool accumulate = true;
};
void OuterProductGradientAll(const Runtime& rt, std::span<const OuterProduct> products);

}  // namespace hew
