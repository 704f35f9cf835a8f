// Causal attention over segments: documents packed in one batch, sequences with a key/value cache, shared prefixes.
#pragma once

#include <span>

#include "base/runtime.h"
#include "tensor/view.h"

namespace hew {

struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;  // heads is a multiple of kv_heads
  float scale = 0;                                // usually 1 / sqrt(head_dim)
  int64_t window = 0;                             // > 0: a query sees only the last `window` keys, itself included
  float softcap = 0;                              // > 0: scores become softcap * tanh(score / softcap)
};

// Query row i of the segment (0 <= i < query_rows) has position `position + i` and sees keys 0 .. position + i.
// Key j lies in row key_row(j) of k and v: rows [prefix_begin, prefix_begin + prefix_rows) first (a prefix shared with
// other segments; prefix_rows may be 0), then from own_begin on.
struct AttentionSegment {
  int64_t query_begin = 0, query_rows = 0;  // rows of q and out
  int64_t position = 0;
  ConstMatrixView k, v;  // [.., kv_heads * head_dim], activation type; rotated keys
  int64_t prefix_begin = 0, prefix_rows = 0, own_begin = 0;

  int64_t key_row(int64_t j) const { return j < prefix_rows ? prefix_begin + j : own_begin + (j - prefix_rows); }
};

// out[M, heads * head_dim] = softmax(scale * q k') v per segment, keys taken in fixed blocks of 256 by key index,
// combined in order: a row's bits depend neither on the other rows nor on the threads. log_sum_exp [M, heads] (may be
// null) is kept for the backward pass. Inputs rounded as in linear.h, sums in fp32.
void AttentionForward(const Runtime& rt, const AttentionShape& shape, ConstMatrixView q,
                      std::span<const AttentionSegment> segments, MatrixView out, float* log_sum_exp);

// Gradients of AttentionForward, same segments. d_q is overwritten; d_k, d_v [same rows and type as the segments' k, v,
// which must all be one matrix] are overwritten for rows that appear in segments: several followers of a prefix are
// summed in fp32, in segment order.
void AttentionBackward(const Runtime& rt, const AttentionShape& shape, ConstMatrixView q,
                       std::span<const AttentionSegment> segments, ConstMatrixView out, const float* log_sum_exp,
                       ConstMatrixView d_out, MatrixView d_q, MatrixView d_k, MatrixView d_v);

}  // namespace hew
