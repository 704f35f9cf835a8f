// The parts of a product that depend on the instruction set, as one table per set and numeric mode. Plain pointers only.
//
// A product runs in steps of the contracted index: one fp32 value, or a pair of bf16 values, 4 bytes either way.
//   strip  [steps][strip_rows]  rows of activations, packed
//   panel  [steps][32]          columns of the other operand, packed; columns past the end are zero
// One accumulator per output takes the steps in increasing order, in multiply and in multiply_few alike: same bits.
#pragma once

#include <stdint.h>

namespace hew {

// Formats of tiles, in the order of the tables in linear_kernels.inc.
enum TileFormat : int {
  kTileF32, kTileF16, kTileBF16, kTileFormatQ4_0, kTileFormatQ4_1, kTileFormatQ5_0, kTileFormatQ5_1, kTileFormatQ8_0,
  kTileFormatQ2_K, kTileFormatQ3_K, kTileFormatQ4_K, kTileFormatQ5_K, kTileFormatQ6_K, kTileFormats,
};

inline constexpr int kPanelCols = 32;
inline constexpr int kFewRows = 8;   // most rows of multiply_few
inline constexpr int kFewTiles = 2;  // tiles it takes at once
// 4-byte elements that the packing functions may write past a panel's last step.
inline constexpr int kPackSlack = 1024;
// Strips are packed in this many steps at a time, and up to kStripSlack elements past the last of them.
inline constexpr int kStripSteps = 16, kStripSlack = 16;

// One operand's part of a strip; the parts' steps follow each other in a panel.
struct LinearStrip {
  const uint32_t* p;
  int64_t steps;
};

// Activations in memory: fp32 or bf16, `stride` elements from row to row.
struct LinearInput {
  const void* data;
  bool bf16;
  int64_t stride;
};

// Where outputs go: y[r, c] = scale * sum + bias[c] (+ y[r, c]).
struct LinearOutput {
  void* y;
  bool bf16;
  bool accumulate;
  int64_t stride;
  const float* bias;  // may be null
  float scale;
};

struct LinearKernels {
  int strip_rows;
  int group;  // contracted indices in a step: 1 (fp32) or 2 (bf16)

  // out [ceil(cols / group)] = one row of x, rounded as the mode says.
  void (*convert_row)(const LinearInput& x, int64_t cols, uint32_t* out);
  // strip = rows [0, rows) of x, the contracted index along its columns; rows past the end are zero.
  void (*pack_rows)(const LinearInput& x, int rows, int64_t cols, uint32_t* strip);
  // out [ceil(rows / group)][width] = the first `width` of the `cols` columns left in x, the contracted index along its rows.
  // width is strip_rows or 32; a panel's columns past the end are zero.
  void (*pack_columns)(const LinearInput& x, int64_t rows, int64_t cols, int width, uint32_t* out);
  // Columns [16 half, 16 half + 16) of a panel = the 16 rows of a tile, dequantised, contracted along `cols`.
  void (*pack_tile)(TileFormat format, const uint8_t* tile, int64_t cols, int half, uint32_t* panel);
  // 16 / group steps of a panel = 32 columns (`chunk`) of a tile, dequantised, contracted along its 16 rows.
  void (*pack_tile_across)(TileFormat format, const uint8_t* tile, int64_t cols, int64_t chunk, uint32_t* panel);
  // Outputs [0, rows) x [0, cols), rows <= strip_rows, cols <= 32. Added up from sums [rows][32], or from zero where that is null.
  void (*multiply)(const LinearStrip* strips, int count, const uint32_t* panel, const float* sums, int rows, int cols,
                   const LinearOutput& out);
  // sums [rows][2][16] += x w' for the tile at `tile` and the one tile_distance bytes after it (0: the same once more); x holds
  // converted rows, x_stride apart.
  void (*multiply_few)(TileFormat format, const uint8_t* tile, int64_t tile_distance, int64_t cols, const uint32_t* x,
                       int64_t x_stride, int rows, float* sums);
  // One row of at most 16 outputs from sums.
  void (*store)(const float* sums, int cols, const LinearOutput& out);
};

namespace scalar { extern const LinearKernels kLinearKernels; }
namespace avx2 { extern const LinearKernels kLinearKernels; }
namespace avx512 { extern const LinearKernels kLinearKernels; }       // fp32
namespace avx512_bf16 { extern const LinearKernels kLinearKernels; }  // bf16 products

}  // namespace hew
