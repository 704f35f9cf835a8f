#include <limits>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/attention_tile.h"
#include "kernels/cpu/ops_dispatch.h"

namespace hew {
namespace {

struct RowRange {
  int64_t begin, end;
};

// Segments connected by key rows they share, in the caller's order, and all the key rows they touch.
struct SegmentGroup {
  std::vector<const AttentionSegment*> segments;
  std::vector<RowRange> key_rows;
};

std::vector<SegmentGroup> GroupBySharedKeys(std::span<const AttentionSegment> segments) {
  struct Use {
    RowRange rows;
    size_t segment;
  };
  std::vector<Use> uses;
  for (size_t s = 0; s < segments.size(); ++s) {
    const AttentionSegment& g = segments[s];
    const int64_t keys = g.position + g.query_rows, prefix = std::min(keys, g.prefix_rows);
    if (prefix > 0) uses.push_back({{g.prefix_begin, g.prefix_begin + prefix}, s});
    if (keys > prefix) uses.push_back({{g.own_begin, g.own_begin + keys - prefix}, s});
  }
  std::sort(uses.begin(), uses.end(), [](const Use& a, const Use& b) {
    return std::pair(a.rows.begin, a.segment) < std::pair(b.rows.begin, b.segment);
  });
  std::vector<size_t> parent(segments.size());
  std::iota(parent.begin(), parent.end(), size_t{0});
  const auto root = [&](size_t s) {
    while (parent[s] != s) s = parent[s] = parent[parent[s]];
    return s;
  };
  std::vector<Use> ranges;  // overlapping ones merged; the segment is any of those in it
  for (const Use& use : uses) {
    if (!ranges.empty() && use.rows.begin < ranges.back().rows.end) {
      ranges.back().rows.end = std::max(ranges.back().rows.end, use.rows.end);
      const size_t a = root(ranges.back().segment), b = root(use.segment);
      parent[std::max(a, b)] = std::min(a, b);
    } else {
      ranges.push_back(use);
    }
  }
  std::vector<SegmentGroup> groups;
  std::vector<size_t> group_of(segments.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    if (root(s) == s) {
      group_of[s] = groups.size();
      groups.emplace_back();
    }
    groups[group_of[root(s)]].segments.push_back(&segments[s]);
  }
  for (const Use& range : ranges) groups[group_of[root(range.segment)]].key_rows.push_back(range.rows);
  return groups;
}

struct BackwardWorkspace {
  WorkerMemory memory;
  uint32_t *q_rows, *q_words, *do_rows, *do_words;  // [tile rows, dim_words] and [row words, padded_dim]
  uint32_t *k_columns, *v_columns, *k_words;        // [dim_words, block] twice, [block words, padded_dim]
  float *p, *ds;                                    // [tile rows, block]
  uint32_t *p_words, *ds_words, *ds_rows;           // [row words, block] twice, [tile rows, block words]
  float* d_q;                                       // [tile rows, padded_dim]
  float *lse, *delta;                               // [tile rows]
  std::vector<const void*> rows;

  BackwardWorkspace(const AttentionCall& call, int64_t m, int64_t block)
      : memory(m * (2 * call.dim_words + 3 * call.padded_dim + 5 * block + 2) +
               block * (2 * call.dim_words + call.padded_dim) + 256) {
    q_rows = memory.Words(m * call.dim_words);
    do_rows = memory.Words(m * call.dim_words);
    q_words = memory.Words(m * call.padded_dim);
    do_words = memory.Words(m * call.padded_dim);
    k_columns = memory.Words(call.dim_words * block);
    v_columns = memory.Words(call.dim_words * block);
    k_words = memory.Words(block * call.padded_dim);
    p = memory.Floats(m * block);
    ds = memory.Floats(m * block);
    p_words = memory.Words(call.Words(m) * block);
    ds_words = memory.Words(call.Words(m) * block);
    ds_rows = memory.Words(m * call.Words(block));
    d_q = memory.Floats(m * call.padded_dim);
    lse = memory.Floats(m);
    delta = memory.Floats(m);
  }
};

struct Gradients {
  ConstMatrixView q, out, d_out;
  const float* log_sum_exp;
  MatrixView d_q;
  float *d_k, *d_v;  // sums in fp32, [key rows, head groups, padded_dim], row 0 is first_row
  int64_t first_row;
};

RowSet MatrixRows(const float* x, int64_t count, int64_t cols, int64_t ld, std::vector<const void*>* rows) {
  rows->clear();
  for (int64_t r = 0; r < count; ++r) rows->push_back(x + r * ld);
  return {rows->data(), false, count, cols};
}

void BackwardBlock(const AttentionCall& call, const QueryTile& tile, int64_t block_index, const Gradients& g,
                   BackwardWorkspace* w) {
  const AttentionKernels& kernels = call.kernels;
  const KeyBlock block = BlockOf(call, tile, block_index);
  const int64_t m = tile.rows * call.group, ld = block.padded, dim = call.padded_dim;
  const ScoreRule rule = {call.shape.scale, call.shape.softcap};
  const RowSet keys = KeyRows(call, tile, block, tile.segment->k, &w->rows);
  kernels.pack_transposed(call.pair, keys, w->k_columns, ld);
  kernels.pack_row_words(call.pair, keys, w->k_words, dim);
  kernels.pack_transposed(call.pair, KeyRows(call, tile, block, tile.segment->v, &w->rows), w->v_columns, ld);

  kernels.multiply(call.pair, {w->q_rows, call.dim_words, 1}, m, call.dim_words, w->k_columns, ld, ld, w->p, ld, false);
  kernels.multiply(call.pair, {w->do_rows, call.dim_words, 1}, m, call.dim_words, w->v_columns, ld, ld, w->ds, ld,
                   false);
  for (int64_t r = 0; r < m; ++r) {
    const VisibleKeys visible = VisibleIn(call, block, tile.position(r, call.group));
    kernels.softmax_backward(rule, w->p + r * ld, w->ds + r * ld, visible.lo, visible.hi, ld, w->lse[r], w->delta[r]);
  }
  kernels.pack_row_words(call.pair, MatrixRows(w->p, m, ld, ld, &w->rows), w->p_words, ld);
  const RowSet ds = MatrixRows(w->ds, m, ld, ld, &w->rows);
  kernels.pack_row_words(call.pair, ds, w->ds_words, ld);
  kernels.pack_rows(call.pair, ds, w->ds_rows, call.Words(ld));

  kernels.multiply(call.pair, {w->ds_rows, call.Words(ld), 1}, m, call.Words(block.count), w->k_words, dim, dim, w->d_q,
                   dim, block_index > FirstBlock(call, tile));
  // Keys of a block lie in at most two runs of neighbouring rows: of the prefix, and the segment's own.
  const int64_t split = std::clamp<int64_t>(tile.segment->prefix_rows - block.begin, 0, block.count);
  const auto add_to_rows = [&](const uint32_t* left, const uint32_t* right, float* sums) {
    for (auto [from, end] : {std::pair(int64_t{0}, split), {split, block.count}}) {
      if (from == end) continue;
      const int64_t row = tile.segment->key_row(block.begin + from) - g.first_row, stride = call.head_groups() * dim;
      kernels.multiply(call.pair, {left + from, 1, ld}, end - from, call.Words(m), right, dim, dim,
                       sums + row * stride + tile.head_group * dim, stride, true);
    }
  };
  add_to_rows(w->p_words, w->do_words, g.d_v);
  add_to_rows(w->ds_words, w->q_words, g.d_k);
}

void BackwardTile(const AttentionCall& call, const QueryTile& tile, const Gradients& g, BackwardWorkspace* w) {
  const AttentionKernels& kernels = call.kernels;
  const int64_t m = tile.rows * call.group, dim = call.shape.head_dim;
  const RowSet queries = TileRows(call, tile, g.q, &w->rows);
  kernels.pack_rows(call.pair, queries, w->q_rows, call.dim_words);
  kernels.pack_row_words(call.pair, queries, w->q_words, call.padded_dim);
  const RowSet d_out = TileRows(call, tile, g.d_out, &w->rows);
  kernels.pack_rows(call.pair, d_out, w->do_rows, call.dim_words);
  kernels.pack_row_words(call.pair, d_out, w->do_words, call.padded_dim);
  std::vector<const void*> out_rows;
  const RowSet out = TileRows(call, tile, g.out, &out_rows);
  for (int64_t r = 0; r < m; ++r) {
    const auto [row, head] = PlaceOf(call, tile, r);
    w->lse[r] = g.log_sum_exp[row * call.shape.heads + head];
    w->delta[r] = kernels.dot({d_out.rows[r], d_out.bf16}, {out.rows[r], out.bf16}, dim);
  }
  for (int64_t b = FirstBlock(call, tile); b * kKeyBlock < tile.keys(); ++b) BackwardBlock(call, tile, b, g, w);
  for (int64_t r = 0; r < m; ++r) {
    const auto [row, head] = PlaceOf(call, tile, r);
    kernels.finish(w->d_q + r * call.padded_dim, 1, dim, RowAt(g.d_q, row, head * dim));
  }
}

void StoreKeyRow(const AttentionCall& call, int64_t row, int64_t at, const Gradients& g, MatrixView d_k,
                 MatrixView d_v) {
  const int64_t dim = call.shape.head_dim, parts = call.groups_per_kv_head();
  for (int64_t head = 0; head < call.shape.kv_heads; ++head, at += parts * call.padded_dim) {
    for (auto [sums, to] : {std::pair(g.d_k + at, d_k), {g.d_v + at, d_v}}) {
      for (int64_t part = 1; part < parts; ++part) call.kernels.add(sums + part * call.padded_dim, dim, sums);
      call.kernels.finish(sums, 1, dim, RowAt(to, row, head * dim));
    }
  }
}

}  // namespace

void AttentionBackward(const Runtime& rt, const AttentionShape& shape, ConstMatrixView q,
                       std::span<const AttentionSegment> segments, ConstMatrixView out, const float* log_sum_exp,
                       ConstMatrixView d_out, MatrixView d_q, MatrixView d_k, MatrixView d_v) {
  AttentionCall call(rt, shape);
  const int64_t kv_cols = shape.kv_heads * shape.head_dim;
  HEW_CHECK(d_out.cols == q.cols && d_q.cols == q.cols && d_k.cols == kv_cols && d_v.cols == kv_cols && log_sum_exp);
  const std::vector<SegmentGroup> groups = GroupBySharedKeys(segments);
  // Key rows that are shared cannot be split over threads; with few groups of segments, query heads are. The choice may
  // not depend on the threads: it decides the order of sums.
  constexpr int64_t kFewTasks = 12;
  if (static_cast<int64_t>(groups.size()) * shape.kv_heads < kFewTasks) call.group = 1;
  int64_t first_row = std::numeric_limits<int64_t>::max(), last_row = 0, tile_rows = 0, widest = 0, products = 0;
  for (const SegmentGroup& group : groups) {
    for (const RowRange& range : group.key_rows) {
      HEW_CHECK(range.begin >= 0 && range.end <= d_k.rows && range.end <= d_v.rows);
      first_row = std::min(first_row, range.begin);
      last_row = std::max(last_row, range.end);
    }
  }
  std::vector<QueryTile> tiles;
  for (const AttentionSegment& segment : segments) {
    HEW_CHECK(segment.position >= 0 && segment.query_begin >= 0 && segment.query_begin + segment.query_rows <= q.rows);
    AppendTiles(call, segment, 0, &tiles);
  }
  for (const QueryTile& tile : tiles) {
    tile_rows = std::max(tile_rows, tile.rows * call.group);
    widest = std::max(widest, RoundUp(std::min(tile.keys(), kKeyBlock), call.kernels.lanes));
    products += tile.rows * shape.heads * tile.keys() * shape.head_dim * 5;
  }
  if (tiles.empty()) return;
  const size_t sums = static_cast<size_t>((last_row - first_row) * call.head_groups() * call.padded_dim);
  const std::unique_ptr<float[]> sum_k(new float[sums]), sum_v(new float[sums]);
  const Gradients gradients = {q, out, d_out, log_sum_exp, d_q, sum_k.get(), sum_v.get(), first_row};
  const auto place = [&](int64_t row, int64_t head_group) {
    return ((row - first_row) * call.head_groups() + head_group) * call.padded_dim;
  };
  const auto make = [&] { return BackwardWorkspace(call, tile_rows, widest); };
  const int64_t tasks = static_cast<int64_t>(groups.size()) * call.head_groups();
  RunTasks<BackwardWorkspace>(rt, tasks, products, make, [&](int64_t task, BackwardWorkspace& w) {
    const SegmentGroup& group = groups[static_cast<size_t>(task / call.head_groups())];
    const int64_t head_group = task % call.head_groups();
    for (const RowRange& range : group.key_rows) {
      for (int64_t row = range.begin; row < range.end; ++row) {
        std::fill_n(sum_k.get() + place(row, head_group), call.padded_dim, 0.0f);
        std::fill_n(sum_v.get() + place(row, head_group), call.padded_dim, 0.0f);
      }
    }
    std::vector<QueryTile> mine;
    for (const AttentionSegment* segment : group.segments) AppendTiles(call, *segment, head_group, &mine);
    for (const QueryTile& tile : mine) BackwardTile(call, tile, gradients, &w);
  });
  // Head groups of one key/value head are added in order, and rounded once.
  std::vector<RowRange> ranges;
  for (const SegmentGroup& group : groups) ranges.insert(ranges.end(), group.key_rows.begin(), group.key_rows.end());
  ForRows(rt, static_cast<int64_t>(ranges.size()), static_cast<int64_t>(sums / ranges.size()),
          [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
              const RowRange range = ranges[static_cast<size_t>(i)];
              for (int64_t row = range.begin; row < range.end; ++row)
                StoreKeyRow(call, row, place(row, 0), gradients, d_k, d_v);
            }
          });
}

}  // namespace hew
