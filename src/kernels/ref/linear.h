// The products of kernels/linear.h, plain and obviously right: sums in double, weights by ReadWeightRow. With
// `rt.bf16()` inputs and weights are rounded to bf16 first, as the mode says; with kInt8 the inputs of products
// with quantised types are rounded to int8 in groups of 32.
#pragma once

#include "kernels/linear.h"

namespace hew::ref {

void Linear(const Runtime& rt, std::span<const LinearTerm> terms, const float* bias, MatrixView y, bool accumulate = false);
void LinearInputGradient(const Runtime& rt, std::span<const LinearTerm> terms, MatrixView d_x, bool accumulate = false);
void OuterProductGradient(const Runtime& rt, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c, bool accumulate = true);

}  // namespace hew::ref
