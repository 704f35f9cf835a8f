// Products of int8 activations with the codes that quantised weights are made of: Precision::kInt8.
//
// Each 32 columns of a row of activations share a step: x = step * q, |q| <= 127. A weight is scale * u + min, u >= 0.
// What a group gives is  step * scale * sum(u q) + min * step * sum(q), the first sum exact in integers; both are added
// to one fp32 accumulator per output, group after group, in multiply and in multiply_few alike: same bits.
//
//   row    [cols / 32][12]              8 words of codes, then step, and step * sum(q) of the first 16, the last 16 and
//   all columns;
//                                       byte i of word 2 g + odd is column 8 g + 2 i + odd, as nibbles lie in a tile
//   strip  [cols / 32][12][strip_rows]  rows of activations, packed
//   panel  [cols / 32][8][32], each group followed by the scales and the minima of its 32 columns, once, or twice
//   (Q6_K)
#pragma once

#include "kernels/cpu/linear_kernels.h"

namespace hew {

inline constexpr int kInt8Group = 32, kInt8CodeWords = 8, kInt8RowWords = 12;

// Types whose tiles give whole codes four to a word. The others are multiplied as the default mode does.
constexpr bool HasInt8(TileFormat format) {
  return (format >= kTileFormatQ4_0 && format <= kTileFormatQ8_0) ||
         (format >= kTileFormatQ4_K && format <= kTileFormatQ6_K);
}
constexpr int Int8Scales(TileFormat format) { return format == kTileFormatQ6_K ? 2 : 1; }  // of a group
constexpr int Int8PanelWords(TileFormat format) {                                          // of a group
  return (kInt8CodeWords + 2 * Int8Scales(format)) * kPanelCols;
}

struct Int8Kernels {
  // One row of x; cols is a multiple of 32.
  void (*quantise_row)(const LinearInput& x, int64_t cols, uint32_t* out);
  // Rows [0, rows) of x as a strip of LinearKernels::strip_rows; rows past the end are zero.
  void (*pack_rows)(const LinearInput& x, int rows, int64_t cols, uint32_t* strip);
  // Columns [16 half, 16 half + 16) of a panel = the 16 rows of a tile.
  void (*pack_tile)(TileFormat format, const uint8_t* tile, int64_t cols, int half, uint32_t* panel);
  // sums [rows][32] += a strip by a panel.
  void (*multiply)(TileFormat format, const uint32_t* strip, const uint32_t* panel, int64_t cols, int rows,
                   float* sums);
  // As LinearKernels::multiply_few, x from quantise_row.
  void (*multiply_few)(TileFormat format, const uint8_t* tile, int64_t tile_distance, int64_t cols, const uint32_t* x,
                       int64_t x_stride, int rows, float* sums);
};

namespace scalar_int8 {
extern const Int8Kernels kInt8Kernels;
}
namespace avx2_int8 {
extern const Int8Kernels kInt8Kernels;
}
namespace avx512_int8 {
extern const Int8Kernels kInt8Kernels;
}

}  // namespace hew
