#include "kernels/attention.h"

#include <cmath>
#include <limits>

#include "kernels/attention_tile.h"

namespace hew {
namespace {

// Highest score, sum and unscaled output of each tile row, over one block or over all so far.
struct Partial {
  float *highest, *sum, *out;  // [rows], [rows], [rows, padded_dim]

  static int64_t Size(const AttentionCall& call, int64_t rows) { return rows * (call.padded_dim + 2) + 48; }
  Partial(const AttentionCall& call, int64_t rows, WorkerMemory* memory)
      : highest(memory->Floats(rows)), sum(memory->Floats(rows)), out(memory->Floats(rows * call.padded_dim)) {}
  // No block so far: the first one merged replaces everything.
  void Reset(int64_t rows) { std::fill_n(highest, rows, -std::numeric_limits<float>::infinity()); }
};

// Operands, scores and sums of one worker's tile with one key block.
struct ForwardWorkspace {
  WorkerMemory memory;
  uint32_t* queries;  // [tile rows, dim_words]
  uint32_t* keys;     // [dim_words, block]
  uint32_t* values;   // [block words, padded_dim]
  float* scores;      // [tile rows, block]
  Partial part, total;
  std::vector<const void*> rows;

  ForwardWorkspace(const AttentionCall& call, int64_t tile_rows, int64_t block)
      : memory(tile_rows * (call.dim_words + block) + (call.dim_words + call.padded_dim) * block +
               2 * Partial::Size(call, tile_rows) + 64),
        queries(memory.Words(tile_rows * call.dim_words)),
        keys(memory.Words(call.dim_words * block)),
        values(memory.Words(call.padded_dim * block)),
        scores(memory.Floats(tile_rows * block)),
        part(call, tile_rows, &memory),
        total(call, tile_rows, &memory) {}
};

void AttendBlock(const AttentionCall& call, const QueryTile& tile, int64_t block_index, ForwardWorkspace* w,
                 const Partial& result) {
  const AttentionKernels& kernels = call.kernels;
  const KeyBlock block = BlockOf(call, tile, block_index);
  const int64_t m = tile.rows * call.group;
  const ScoreRule rule = {call.shape.scale, call.shape.softcap};
  kernels.pack_transposed(call.pair, KeyRows(call, tile, block, tile.segment->k, &w->rows), w->keys, block.padded);
  kernels.multiply(call.pair, {w->queries, call.dim_words, 1}, m, call.dim_words, w->keys, block.padded, block.padded,
                   w->scores, block.padded, false);
  for (int64_t r = 0; r < m; ++r) {
    const VisibleKeys visible = VisibleIn(call, block, tile.position(r, call.group));
    kernels.softmax(call.pair, rule, w->scores + r * block.padded, visible.lo, visible.hi, block.padded,
                    result.highest + r, result.sum + r);
  }
  kernels.pack_row_words(call.pair, KeyRows(call, tile, block, tile.segment->v, &w->rows), w->values, call.padded_dim);
  kernels.multiply(call.pair, {reinterpret_cast<const uint32_t*>(w->scores), block.padded, 1}, m,
                   call.Words(block.count), w->values, call.padded_dim, call.padded_dim, result.out, call.padded_dim,
                   false);
}

void Merge(const AttentionCall& call, int64_t rows, const Partial& block, const Partial& total) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * call.padded_dim;
    call.kernels.merge(block.highest[r], block.sum[r], block.out + at, total.highest + r, total.sum + r, total.out + at,
                       call.padded_dim);
  }
}

void StoreTile(const AttentionCall& call, const QueryTile& tile, const Partial& total, MatrixView out,
               float* log_sum_exp) {
  for (int64_t r = 0; r < tile.rows * call.group; ++r) {
    const TilePlace at = PlaceOf(call, tile, r);
    call.kernels.finish(total.out + r * call.padded_dim, 1 / total.sum[r], call.shape.head_dim,
                        RowAt(out, at.row, at.head * call.shape.head_dim));
    if (log_sum_exp) log_sum_exp[at.row * call.shape.heads + at.head] = total.highest[r] + std::log(total.sum[r]);
  }
}

struct BlockTask {
  size_t tile;
  int64_t block;
};

}  // namespace

void AttentionForward(const Runtime& rt, const AttentionShape& shape, ConstMatrixView q,
                      std::span<const AttentionSegment> segments, MatrixView out, float* log_sum_exp) {
  const AttentionCall call(rt, shape);
  HEW_CHECK(q.cols == shape.heads * shape.head_dim && out.cols == q.cols && out.rows == q.rows);
  std::vector<QueryTile> tiles;
  for (const AttentionSegment& segment : segments) {
    HEW_CHECK(segment.position >= 0 && segment.query_begin >= 0 && segment.query_begin + segment.query_rows <= q.rows);
    for (int64_t head = 0; head < shape.kv_heads; ++head) AppendTiles(call, segment, head, &tiles);
  }
  std::vector<BlockTask> blocks;
  int64_t tile_rows = 0, widest = 0, products = 0;
  for (const QueryTile& tile : tiles) {
    const int64_t m = tile.rows * call.group, keys = std::min(tile.keys(), kKeyBlock);
    tile_rows = std::max(tile_rows, m);
    widest = std::max(widest, RoundUp(keys, call.kernels.lanes));
    products += m * tile.keys() * shape.head_dim * 2;
  }
  const auto make = [&] { return ForwardWorkspace(call, tile_rows, widest); };
  const auto pack_queries = [&](const QueryTile& tile, ForwardWorkspace* w) {
    call.kernels.pack_rows(call.pair, TileRows(call, tile, q, &w->rows), w->queries, call.dim_words);
  };
  // Few tiles (generation): also split over key blocks, and join the parts in the order in which one thread would.
  const int64_t threads = rt.pool ? rt.pool->threads() : 1;
  if (threads > 1 && static_cast<int64_t>(tiles.size()) < 4 * threads) {
    for (size_t t = 0; t < tiles.size(); ++t) {
      for (int64_t b = FirstBlock(call, tiles[t]); b * kKeyBlock < tiles[t].keys(); ++b) blocks.push_back({t, b});
    }
  }
  if (blocks.size() > tiles.size()) {
    WorkerMemory memory(static_cast<int64_t>(blocks.size() + 1) * Partial::Size(call, tile_rows));
    Partial total(call, tile_rows, &memory);
    std::vector<Partial> parts;
    for (const BlockTask& block : blocks) parts.emplace_back(call, tiles[block.tile].rows * call.group, &memory);
    RunTasks<ForwardWorkspace>(
        rt, static_cast<int64_t>(blocks.size()), products, make, [&](int64_t task, ForwardWorkspace& w) {
          const BlockTask& block = blocks[static_cast<size_t>(task)];
          pack_queries(tiles[block.tile], &w);
          AttendBlock(call, tiles[block.tile], block.block, &w, parts[static_cast<size_t>(task)]);
        });
    for (size_t i = 0; i < blocks.size(); ++i) {
      const QueryTile& tile = tiles[blocks[i].tile];
      const int64_t m = tile.rows * call.group;
      const bool first = i == 0 || blocks[i - 1].tile != blocks[i].tile;
      const bool last = i + 1 == blocks.size() || blocks[i + 1].tile != blocks[i].tile;
      if (first) total.Reset(m);
      Merge(call, m, parts[i], total);
      if (last) StoreTile(call, tile, total, out, log_sum_exp);
    }
    return;
  }
  RunTasks<ForwardWorkspace>(rt, static_cast<int64_t>(tiles.size()), products, make,
                             [&](int64_t task, ForwardWorkspace& w) {
                               const QueryTile& tile = tiles[static_cast<size_t>(task)];
                               const int64_t m = tile.rows * call.group;
                               pack_queries(tile, &w);
                               w.total.Reset(m);
                               for (int64_t b = FirstBlock(call, tile); b * kKeyBlock < tile.keys(); ++b) {
                                 AttendBlock(call, tile, b, &w, w.part);
                                 Merge(call, m, w.part, w.total);
                               }
                               StoreTile(call, tile, w.total, out, log_sum_exp);
                             });
}

}  // namespace hew
