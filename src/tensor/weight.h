// A weight matrix in memory, whatever its type: [rows (out), cols (in)], 16 output rows interleaved so that one
// 512-bit, two 256-bit or four 128-bit registers read the same bytes. Quantisation is a property of the weight; bytes
// read per token stay within 3% of the file's own, and every type carries its values over exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/dtype.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/buffer.h"

namespace hew {

inline constexpr int64_t kTileRows = 16;

struct Weight {
  DType type = DType::kF32;  // the file's type; the tile layout of each is described in weight.cc
  int64_t rows = 0, cols = 0;
  int64_t tile_bytes = 0;  // bytes of one tile of 16 rows over all columns; tile i starts at i * tile_bytes
  Buffer data;             // ceil(rows / 16) tiles; rows past the end are zero

  int64_t tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  bool empty() const { return rows == 0; }
};

// Interleaves a matrix of `type` given as file bytes, in parallel. `row_map` (may be null) gives, for each row of the
// result, the row of the file: used to undo GGUF's permutation of Q and K rows. `arena` (may be null) is where its memory comes
// from.
// Errors: a type that cannot be decoded, or cols no multiple of its block ("expected a multiple of 32, found 577").
Result<Weight> MakeWeight(const ThreadPool& pool, DType type, int64_t rows, int64_t cols, std::string_view bytes,
                          const std::function<int64_t(int64_t)>& row_map = nullptr, BufferArena* arena = nullptr);

// A weight of tiles that lie somewhere already; nullopt if they are not as many bytes as it takes, or not on a boundary of 64.
std::optional<Weight> WeightOfTiles(DType type, int64_t rows, int64_t cols, Buffer tiles);

// A BF16 or F32 weight made (again) from fp32 values [rows, cols], scaled: the packed copy of a trainable matrix, made
// anew after every optimiser step. Reuses w's memory when shape and type are the same.
void SetWeightFromF32(const ThreadPool& pool, DType type, int64_t rows, int64_t cols, const float* values, float scale, Weight* w);

// Row `row` as fp32 [cols]: embedding lookup, export, tests.
void ReadWeightRow(const Weight& w, int64_t row, float* out);

}  // namespace hew
