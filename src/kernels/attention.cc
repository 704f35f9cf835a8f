#include "kernels/attention.h"

#include <cmath>
#include <limits>

#include "kernels/attention_tile.h"

namespace hew {
namespace {

// Scores, probabilities and outputs of one tile with one key block.
struct ForwardWorkspace {
  Scratch memory;
  uint32_t* queries;  // [tile rows, dim_words]
  uint32_t* keys;     // [dim_words, block]
  uint32_t* values;   // [block words, padded_dim]
  float* scores;      // [tile rows, block]
  std::vector<const void*> rows;

  ForwardWorkspace(const AttentionCall& call, int64_t tile_rows, int64_t block)
      : memory(tile_rows * (call.dim_words + block) + (call.dim_words + call.padded_dim) * block + 64) {
    queries = memory.Words(tile_rows * call.dim_words);
    keys = memory.Words(call.dim_words * block);
    values = memory.Words(call.padded_dim * block);
    scores = memory.Floats(tile_rows * block);
  }
};

// Highest score, sum and unscaled output of each tile row, over one block or over all so far.
struct Partial {
  std::vector<float> highest, sum, out;  // [rows], [rows], [rows, padded_dim]

  void Reset(int64_t rows, int64_t padded_dim) {
    highest.assign(static_cast<size_t>(rows), -std::numeric_limits<float>::infinity());
    sum.assign(static_cast<size_t>(rows), 0);
    out.assign(static_cast<size_t>(rows * padded_dim), 0);
  }
};

void AttendBlock(const AttentionCall& call, const QueryTile& tile, int64_t block_index, ForwardWorkspace* w, Partial* result) {
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
                    &result->highest[static_cast<size_t>(r)], &result->sum[static_cast<size_t>(r)]);
  }
  kernels.pack_row_words(call.pair, KeyRows(call, tile, block, tile.segment->v, &w->rows), w->values, call.padded_dim);
  kernels.multiply(call.pair, {reinterpret_cast<const uint32_t*>(w->scores), block.padded, 1}, m, call.Words(block.count),
                   w->values, call.padded_dim, call.padded_dim, result->out.data(), call.padded_dim, false);
}

void Merge(const AttentionCall& call, int64_t rows, const Partial& block, Partial* total) {
  for (int64_t r = 0; r < rows; ++r) {
    const size_t n = static_cast<size_t>(r);
    const int64_t at = r * call.padded_dim;
    call.kernels.merge(block.highest[n], block.sum[n], block.out.data() + at, &total->highest[n], &total->sum[n],
                       total->out.data() + at, call.padded_dim);
  }
}

void StoreTile(const AttentionCall& call, const QueryTile& tile, const Partial& total, MatrixView out, float* log_sum_exp) {
  for (int64_t r = 0; r < tile.rows * call.group; ++r) {
    const int64_t row = tile.segment->query_begin + tile.first + r / call.group;
    const int64_t head = tile.kv_head * call.group + r % call.group, col = head * call.shape.head_dim;
    const float sum = total.sum[static_cast<size_t>(r)];
    const Row to = out.dtype == DType::kBF16 ? Row{out.bf16(row) + col, true} : Row{out.f32(row) + col, false};
    call.kernels.finish(total.out.data() + r * call.padded_dim, 1 / sum, call.shape.head_dim, to);
    if (log_sum_exp) log_sum_exp[row * call.shape.heads + head] = total.highest[static_cast<size_t>(r)] + std::log(sum);
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
    std::vector<Partial> partials(blocks.size());
    RunTasks<ForwardWorkspace>(rt, static_cast<int64_t>(blocks.size()), products, make, [&](int64_t task, ForwardWorkspace& w) {
      const BlockTask& block = blocks[static_cast<size_t>(task)];
      const QueryTile& tile = tiles[block.tile];
      Partial& part = partials[static_cast<size_t>(task)];
      part.Reset(tile.rows * call.group, call.padded_dim);
      pack_queries(tile, &w);
      AttendBlock(call, tile, block.block, &w, &part);
    });
    Partial total;
    for (size_t i = 0; i < blocks.size(); ++i) {
      const QueryTile& tile = tiles[blocks[i].tile];
      const int64_t m = tile.rows * call.group;
      if (i == 0 || blocks[i].tile != blocks[i - 1].tile) total.Reset(m, call.padded_dim);
      Merge(call, m, partials[i], &total);
      if (i + 1 == blocks.size() || blocks[i].tile != blocks[i + 1].tile) StoreTile(call, tile, total, out, log_sum_exp);
    }
    return;
  }
  RunTasks<ForwardWorkspace>(rt, static_cast<int64_t>(tiles.size()), products, make, [&](int64_t task, ForwardWorkspace& w) {
    const QueryTile& tile = tiles[static_cast<size_t>(task)];
    const int64_t m = tile.rows * call.group;
    Partial part, total;
    part.Reset(m, call.padded_dim);
    total.Reset(m, call.padded_dim);
    pack_queries(tile, &w);
    for (int64_t b = FirstBlock(call, tile); b * kKeyBlock < tile.keys(); ++b) {
      AttendBlock(call, tile, b, &w, &part);
      Merge(call, m, part, &total);
    }
    StoreTile(call, tile, total, out, log_sum_exp);
  });
}

}  // namespace hew
