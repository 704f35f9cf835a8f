#include "kernels/attention_tile.h"

namespace hew {

const AttentionKernels& AttentionKernelsFor(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512::kAttentionKernels;
  if (isa == Isa::kAvx2) return avx2::kAttentionKernels;
#endif
  HEW_CHECK(isa == Isa::kScalar);
  return scalar::kAttentionKernels;
}

AttentionCall::AttentionCall(const Runtime& rt, const AttentionShape& s)
    : kernels(AttentionKernelsFor(rt.isa)), shape(s), pair(rt.bf16()) {
  HEW_CHECK(s.kv_heads > 0 && s.heads % s.kv_heads == 0 && s.head_dim > 0);
  group = s.heads / s.kv_heads;
  padded_dim = RoundUp(s.head_dim, kernels.lanes);
  dim_words = Words(s.head_dim);
}

void AppendTiles(const AttentionCall& call, const AttentionSegment& segment, int64_t head_group,
                 std::vector<QueryTile>* tiles) {
  const int64_t limit = std::max<int64_t>(8, 128 / call.group);
  const int64_t count = (segment.query_rows + limit - 1) / limit;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t first = segment.query_rows * t / count, end = segment.query_rows * (t + 1) / count;
    tiles->push_back({&segment, head_group, first, end - first});
  }
}

int64_t FirstBlock(const AttentionCall& call, const QueryTile& tile) {
  if (call.shape.window <= 0) return 0;
  return std::max<int64_t>(0, tile.segment->position + tile.first - call.shape.window + 1) / kKeyBlock;
}

KeyBlock BlockOf(const AttentionCall& call, const QueryTile& tile, int64_t block) {
  const int64_t begin = block * kKeyBlock, count = std::min(kKeyBlock, tile.keys() - begin);
  return {begin, count, RoundUp(count, call.kernels.lanes)};
}

VisibleKeys VisibleIn(const AttentionCall& call, const KeyBlock& block, int64_t position) {
  const int64_t first = call.shape.window > 0 ? position - call.shape.window + 1 : 0;
  return {std::clamp<int64_t>(first - block.begin, 0, block.count),
          std::clamp<int64_t>(position + 1 - block.begin, 0, block.count)};
}

namespace {
const void* Element(ConstMatrixView m, int64_t row, int64_t col) {
  return m.dtype == DType::kBF16 ? static_cast<const void*>(m.bf16(row) + col) : m.f32(row) + col;
}
}  // namespace

RowSet TileRows(const AttentionCall& call, const QueryTile& tile, ConstMatrixView m, std::vector<const void*>* rows) {
  rows->clear();
  for (int64_t i = 0; i < tile.rows; ++i) {
    for (int64_t g = 0; g < call.group; ++g) {
      const int64_t col = (tile.head_group * call.group + g) * call.shape.head_dim;
      rows->push_back(Element(m, tile.segment->query_begin + tile.first + i, col));
    }
  }
  return {rows->data(), m.dtype == DType::kBF16, tile.rows * call.group, call.shape.head_dim};
}

RowSet KeyRows(const AttentionCall& call, const QueryTile& tile, const KeyBlock& block, ConstMatrixView m,
               std::vector<const void*>* rows) {
  rows->resize(static_cast<size_t>(block.count));
  const int64_t col = call.kv_head(tile.head_group) * call.shape.head_dim;
  const int64_t row_bytes = m.stride * (m.dtype == DType::kBF16 ? 2 : 4);
  // Two runs of neighbouring rows at most: of the prefix, and the segment's own.
  const int64_t split = std::clamp<int64_t>(tile.segment->prefix_rows - block.begin, 0, block.count);
  for (auto [from, end] : {std::pair(int64_t{0}, split), {split, block.count}}) {
    if (from == end) continue;
    const std::byte* first = static_cast<const std::byte*>(Element(m, tile.segment->key_row(block.begin + from), col));
    const void** to = rows->data();
    for (int64_t j = from; j < end; ++j) to[j] = first + (j - from) * row_bytes;
  }
  return {rows->data(), m.dtype == DType::kBF16, block.count, call.shape.head_dim};
}

}  // namespace hew
