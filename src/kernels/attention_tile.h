// What the forward and the backward pass of attention share: query tiles, key blocks, scratch memory and the pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/cpu/attention_kernels.h"

namespace hew {

inline constexpr int64_t kKeyBlock = 256;  // keys are summed block by block, by key index: part of the result's bits

const AttentionKernels& AttentionKernelsFor(Isa isa);

inline int64_t RoundUp(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// What stays the same over one call.
struct AttentionCall {
  const AttentionKernels& kernels;
  const AttentionShape& shape;
  bool pair;           // words are bf16 pairs
  int64_t group;       // query heads of one tile: all that share a key/value head, or one
  int64_t padded_dim;  // head_dim rounded up to whole vectors
  int64_t dim_words;   // head_dim in words

  AttentionCall(const Runtime& rt, const AttentionShape& s);
  int64_t head_groups() const { return shape.heads / group; }
  int64_t groups_per_kv_head() const { return shape.heads / shape.kv_heads / group; }
  int64_t kv_head(int64_t head_group) const { return head_group / groups_per_kv_head(); }
  int64_t Words(int64_t values) const { return pair ? (values + 1) / 2 : values; }
};

// Some neighbouring query rows of one segment with a group of query heads that share a key/value head. Row i * group +
// g of the tile's matrices is query row first + i, head head_group * group + g.
struct QueryTile {
  const AttentionSegment* segment;
  int64_t head_group, first, rows;

  int64_t position(int64_t tile_row, int64_t group) const { return segment->position + first + tile_row / group; }
  int64_t keys() const { return segment->position + first + rows; }  // that any of its rows sees
};

// Tiles of at most 128 matrix rows, of equal size as far as they go: their scores stay in the second cache.
void AppendTiles(const AttentionCall& call, const AttentionSegment& segment, int64_t head_group,
                 std::vector<QueryTile>* tiles);

// Where a tile row stands in a matrix [M, heads * head_dim].
struct TilePlace {
  int64_t row, head;
};
inline TilePlace PlaceOf(const AttentionCall& call, const QueryTile& tile, int64_t tile_row) {
  return {tile.segment->query_begin + tile.first + tile_row / call.group,
          tile.head_group * call.group + tile_row % call.group};
}

inline Row RowAt(MatrixView m, int64_t row, int64_t col) {
  return m.dtype == DType::kBF16 ? Row{m.bf16(row) + col, true} : Row{m.f32(row) + col, false};
}

// First key block any row of the tile sees.
int64_t FirstBlock(const AttentionCall& call, const QueryTile& tile);

// The keys [begin, begin + count) of a block, clipped to what the tile sees, padded to whole vectors.
struct KeyBlock {
  int64_t begin, count, padded;
};
KeyBlock BlockOf(const AttentionCall& call, const QueryTile& tile, int64_t block);

// Visible columns [lo, hi) of a block for a query position.
struct VisibleKeys {
  int64_t lo, hi;
};
VisibleKeys VisibleIn(const AttentionCall& call, const KeyBlock& block, int64_t position);

// Row pointers of the tile's head columns of a matrix [M, heads * head_dim], and of one head's keys or values of a
// block.
RowSet TileRows(const AttentionCall& call, const QueryTile& tile, ConstMatrixView m, std::vector<const void*>* rows);
RowSet KeyRows(const AttentionCall& call, const QueryTile& tile, const KeyBlock& block, ConstMatrixView m,
               std::vector<const void*>* rows);

// Memory of one worker, handed out in aligned pieces; not zeroed.
class WorkerMemory {
 public:
  explicit WorkerMemory(int64_t words) : memory_(new uint32_t[static_cast<size_t>(words) + 16]), left_(words) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(memory_.get());
    next_ = memory_.get() + (RoundUp(static_cast<int64_t>(address), 64) - static_cast<int64_t>(address)) / 4;
  }
  uint32_t* Words(int64_t count) {
    count = RoundUp(count, 16);
    HEW_CHECK(count <= left_);
    left_ -= count;
    uint32_t* p = next_;
    next_ += count;
    return p;
  }
  float* Floats(int64_t count) { return reinterpret_cast<float*>(Words(count)); }

 private:
  std::unique_ptr<uint32_t[]> memory_;
  uint32_t* next_;
  int64_t left_;
};

// Runs tasks on the pool, each worker with a workspace of its own; in the caller's thread alone if `products`
// (multiply-adds in all) is too little to wake others for.
template <typename Workspace, typename Make, typename Fn>
void RunTasks(const Runtime& rt, int64_t tasks, int64_t products, const Make& make, const Fn& fn) {
  constexpr int64_t kWorthwhile = 400000;
  const int64_t threads = rt.pool && products >= kWorthwhile ? rt.pool->threads() : 1;
  const int64_t workers = std::min(threads, tasks);
  std::atomic<int64_t> next{0};
  const auto work = [&](int64_t) {
    Workspace workspace = make();
    for (int64_t task; (task = next.fetch_add(1)) < tasks;) fn(task, workspace);
  };
  if (workers <= 1) {
    work(0);
  } else {
    rt.pool->Run(workers, work);
  }
}

}  // namespace hew
