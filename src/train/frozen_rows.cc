#include "train/frozen_rows.h"

#include <algorithm>

#include "base/check.h"

namespace hew {
namespace {

// An example that has a segment's rows, and the first of its tokens there. For a shared prefix any follower will do.
struct Source {
  int64_t example, token;
};
Source SourceOf(const PackedBatch& batch, size_t segment) {
  const PackedSegment& s = batch.segments[segment];
  if (batch.examples[segment] >= 0) return {batch.examples[segment], s.prefix_rows};
  for (size_t f = segment + 1; f < batch.segments.size(); ++f) {
    const PackedSegment& follower = batch.segments[f];
    if (follower.prefix_rows > 0 && follower.prefix_begin == s.begin) return {batch.examples[f], 0};
  }
  return {-1, 0};
}

}  // namespace

bool FrozenRows::Load(const PackedBatch& batch, MatrixView stream) const {
  if (batch.examples.size() != batch.segments.size()) return false;
  std::vector<const float*> from;
  for (size_t i = 0; i < batch.segments.size(); ++i) {
    const Source source = SourceOf(batch, i);
    const auto known = rows_.find(source.example);
    const auto needed = static_cast<size_t>((source.token + batch.segments[i].rows) * stream.cols);
    if (known == rows_.end() || known->second.size() < needed) return false;
    from.push_back(known->second.data() + source.token * stream.cols);
  }
  for (size_t i = 0; i < from.size(); ++i) {
    const PackedSegment& s = batch.segments[i];
    for (int64_t row = 0; row < s.rows; ++row) std::copy_n(from[i] + row * stream.cols, stream.cols, stream.f32(s.begin + row));
  }
  return true;
}

void FrozenRows::Save(const PackedBatch& batch, ConstMatrixView stream) {
  if (batch.examples.size() != batch.segments.size()) return;
  for (size_t i = 0; i < batch.segments.size(); ++i) {
    if (batch.examples[i] < 0) continue;
    const PackedSegment& s = batch.segments[i];
    std::vector<float>& rows = rows_[batch.examples[i]];
    rows.clear();
    const auto append = [&](int64_t begin, int64_t count) {
      for (int64_t row = begin; row < begin + count; ++row) rows.insert(rows.end(), stream.f32(row), stream.f32(row) + stream.cols);
    };
    append(s.prefix_begin, s.prefix_rows);
    append(s.begin, s.rows);
  }
}

}  // namespace hew
