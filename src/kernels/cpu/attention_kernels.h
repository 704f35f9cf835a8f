// The inner loops of attention, one table per instruction set; plain pointers only. All five products of attention and
// its gradient are one small matrix product over 32-bit words: a word is one fp32 value, or (bf16) a pair of values
// that stand next to each other in the contracted index. Packing puts the operands into that form.
#pragma once

#include <stdint.h>

#include "kernels/cpu/row.h"

namespace hew {

// `count` rows of `cols` values each, fp32 or bf16.
struct RowSet {
  const void* const* rows;
  bool bf16;
  int64_t count, cols;
};

// The first operand of a product: element (row i, word k) is p[i * row_stride + k * word_stride].
struct WordMatrix {
  const uint32_t* p;
  int64_t row_stride, word_stride;
};

struct ScoreRule {
  float scale, softcap;  // softcap 0: none
};

struct AttentionKernels {
  int lanes;  // columns are padded to a multiple of this

  // `pair`: words are bf16 pairs. An odd last value is paired with zero.
  // out[row][word], words along the columns; ld words from row to row.
  void (*pack_rows)(bool pair, const RowSet& x, uint32_t* out, int64_t ld);
  // out[word][row], words along the columns; rows from x.count to ld are zero.
  void (*pack_transposed)(bool pair, const RowSet& x, uint32_t* out, int64_t ld);
  // out[word][col], words along the rows; columns from x.cols to ld are zero.
  void (*pack_row_words)(bool pair, const RowSet& x, uint32_t* out, int64_t ld);

  // c[m, n] (+)= a b: one sum per output, in order of the words. n is a multiple of lanes.
  void (*multiply)(bool pair, const WordMatrix& a, int64_t m, int64_t words, const uint32_t* b, int64_t ldb, int64_t n,
                   float* c, int64_t ldc, bool accumulate);

  // One row of raw products s[padded], of which [lo, hi) are visible: replaced by e^(score - highest) as words (bf16
  // pairs in place if `pair`), zero where not visible. highest is -infinity and sum 0 if lo >= hi.
  void (*softmax)(bool pair, const ScoreRule& rule, float* s, int64_t lo, int64_t hi, int64_t padded, float* highest,
                  float* sum);
  // s becomes p = e^(score - lse), dp becomes ds = p (dp - delta) score'; both zero outside [lo, hi).
  void (*softmax_backward)(const ScoreRule& rule, float* s, float* dp, int64_t lo, int64_t hi, int64_t padded,
                           float lse, float delta);
  // Joins a block's highest score, sum and output with the running ones.
  void (*merge)(float block_highest, float block_sum, const float* block_out, float* highest, float* sum, float* out,
                int64_t n);
  void (*finish)(const float* x, float scale, int64_t n, Row y);  // y = x * scale, never a negative zero
  void (*add)(const float* x, int64_t n, float* y);               // y += x
  float (*dot)(ConstRow a, ConstRow b, int64_t n);
};

namespace scalar {
extern const AttentionKernels kAttentionKernels;
}
namespace avx2 {
extern const AttentionKernels kAttentionKernels;
}
namespace avx512 {
extern const AttentionKernels kAttentionKernels;
}

}  // namespace hew
