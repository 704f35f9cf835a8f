// Attention as its definition says it, one score at a time in double: slow, and what the fast kernels are checked with.
#pragma once

#include <span>

#include "kernels/attention.h"

namespace hew::ref {

// As hew::AttentionForward and hew::AttentionBackward, without rounding of operands and without threads.
void AttentionForward(const AttentionShape& shape, ConstMatrixView q, std::span<const AttentionSegment> segments,
                      MatrixView out, float* log_sum_exp);
void AttentionBackward(const AttentionShape& shape, ConstMatrixView q, std::span<const AttentionSegment> segments,
                       ConstMatrixView out, const float* log_sum_exp, ConstMatrixView d_out, MatrixView d_q,
                       MatrixView d_k, MatrixView d_v);

}  // namespace hew::ref
