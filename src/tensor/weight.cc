#include "tensor/weight.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked.h"
#include "base/float16.h"
#include "tensor/codec.h"
#include "tensor/tile_block.h"

namespace hew {
namespace {

// Bytes of a tile. Plain types have any number of columns; quantised ones a multiple of their block.
int64_t TileBytes(DType type, int64_t cols) { return kTileRows * RowBytes(type, cols); }

// Where a plain element of column k and row r of a tile lies, in elements.
int64_t PlainIndex(DType type, int64_t cols, int64_t k, int64_t r) {
  if (type != DType::kBF16 || k == (cols & ~int64_t{1})) return k * kTileRows + r;
  return (k / 2 * kTileRows + r) * 2 + k % 2;
}

template <typename T>
void PutPlainRow(DType type, int64_t cols, const char* source, int64_t row, std::byte* tile) {
  T* out = reinterpret_cast<T*>(tile);
  for (int64_t k = 0; k < cols; ++k) std::memcpy(out + PlainIndex(type, cols, k, row), source + k * sizeof(T), sizeof(T));
}

void PutRow(DType type, int64_t cols, const char* source, int64_t row, std::byte* tile) {
  if (type == DType::kF32) return PutPlainRow<float>(type, cols, source, row, tile);
  if (!IsQuantized(type)) return PutPlainRow<uint16_t>(type, cols, source, row, tile);
  const TileLayout& layout = TileLayoutOf(type);
  const int64_t block_bytes = InfoOf(type).block_bytes;
  for (int64_t b = 0; b < cols / layout.block; ++b) {
    PutBlock(type, reinterpret_cast<const uint8_t*>(source) + b * block_bytes, static_cast<int>(row),
             reinterpret_cast<uint8_t*>(tile) + b * layout.bytes);
  }
}

}  // namespace

Result<Weight> MakeWeight(const ThreadPool& pool, DType type, int64_t rows, int64_t cols, std::string_view bytes,
                          const std::function<int64_t(int64_t)>& row_map, BufferArena* arena) {
  if (!CanDecode(type)) return BadInput("cannot read weights of type {}", NameOf(type));
  if (rows < 1 || cols < 1) return BadInput("expected at least one row and column, found [{}, {}]", rows, cols);
  const int64_t block = InfoOf(type).block_elements;
  if (cols % block != 0) return BadInput("{} rows: expected a multiple of {}, found {}", NameOf(type), block, cols);
  const CheckedU64 row_bytes = CheckedU64(cols / block) * InfoOf(type).block_bytes;
  const CheckedU64 padded_bytes = row_bytes * CheckedU64(rows).AlignUp(kTileRows);
  if (!padded_bytes.Within(uint64_t{1} << 46) || (row_bytes * rows).value() != bytes.size()) {
    return BadInput("[{}, {}] of type {}: expected {} bytes, found {}", rows, cols, NameOf(type), (row_bytes * rows).value(), bytes.size());
  }

  Weight w;
  w.type = type;
  w.rows = rows;
  w.cols = cols;
  w.tile_bytes = TileBytes(type, cols);
  w.data = arena ? arena->Take(padded_bytes.value()) : Buffer(padded_bytes.value());
  const int64_t stride = static_cast<int64_t>(row_bytes.value());
  pool.ParallelFor(w.tiles(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kTileRows; row < std::min(end * kTileRows, rows); ++row) {
      const int64_t source = row_map ? row_map(row) : row;
      HEW_CHECK(source >= 0 && source < rows);
      PutRow(type, cols, bytes.data() + source * stride, row % kTileRows, w.data.data() + row / kTileRows * w.tile_bytes);
    }
  });
  return w;
}

std::optional<Weight> WeightOfTiles(DType type, int64_t rows, int64_t cols, Buffer tiles) {
  constexpr int64_t kMost = int64_t{1} << 40;
  if (!CanDecode(type) || rows < 1 || cols < 1 || rows > kMost || cols > kMost || cols % InfoOf(type).block_elements != 0) return std::nullopt;
  Weight w;
  w.type = type;
  w.rows = rows;
  w.cols = cols;
  w.tile_bytes = TileBytes(type, cols);
  const CheckedU64 bytes = CheckedU64(w.tiles()) * w.tile_bytes;
  if (!bytes.ok() || bytes.value() != tiles.size() || reinterpret_cast<uintptr_t>(tiles.data()) % 64 != 0) return std::nullopt;
  w.data = std::move(tiles);
  return w;
}

void SetWeightFromF32(const ThreadPool& pool, DType type, int64_t rows, int64_t cols, const float* values, float scale, Weight* w) {
  HEW_CHECK((type == DType::kF32 || type == DType::kBF16) && rows > 0 && cols > 0);
  if (w->type != type || w->rows != rows || w->cols != cols) {
    *w = Weight();
    w->type = type;
    w->rows = rows;
    w->cols = cols;
    w->tile_bytes = TileBytes(type, cols);
    w->data = Buffer(static_cast<size_t>(w->tiles() * w->tile_bytes));
  }
  pool.ParallelFor(w->tiles(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kTileRows; row < std::min(end * kTileRows, rows); ++row) {
      const float* source = values + row * cols;
      std::byte* tile = w->data.data() + row / kTileRows * w->tile_bytes;
      for (int64_t k = 0; k < cols; ++k) {
        const int64_t at = PlainIndex(type, cols, k, row % kTileRows);
        if (type == DType::kF32) {
          reinterpret_cast<float*>(tile)[at] = source[k] * scale;
        } else {
          reinterpret_cast<uint16_t*>(tile)[at] = FloatToBF16(source[k] * scale);
        }
      }
    }
  });
}

void ReadWeightRow(const Weight& w, int64_t row, float* out) {
  HEW_CHECK(row >= 0 && row < w.rows);
  const std::byte* tile = w.data.data() + row / kTileRows * w.tile_bytes;
  const int64_t r = row % kTileRows;
  if (IsQuantized(w.type)) {
    const TileLayout& layout = TileLayoutOf(w.type);
    for (int64_t b = 0; b < w.cols / layout.block; ++b) {
      DecodeTileBlock(w.type, reinterpret_cast<const uint8_t*>(tile) + b * layout.bytes, static_cast<int>(r), out + b * layout.block);
    }
    return;
  }
  for (int64_t k = 0; k < w.cols; ++k) {
    const int64_t at = PlainIndex(w.type, w.cols, k, r);
    if (w.type == DType::kF32) {
      out[k] = reinterpret_cast<const float*>(tile)[at];
    } else {
      const uint16_t half = reinterpret_cast<const uint16_t*>(tile)[at];
      out[k] = w.type == DType::kF16 ? HalfToFloat(half) : BF16ToFloat(half);
    }
  }
}

}  // namespace hew
