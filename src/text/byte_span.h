// Parts of a text, by byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace hew {

using ByteSpan = std::pair<size_t, size_t>;  // [first, second)

// Whether [begin, end) has a byte in one of `spans`, which are in order and apart from each other.
inline bool Touches(std::span<const ByteSpan> spans, size_t begin, size_t end) {
  const auto after =
      std::partition_point(spans.begin(), spans.end(), [&](const ByteSpan& s) { return s.second <= begin; });
  return after != spans.end() && after->first < end && begin < end;
}

// Whether all of [begin, end) lies in one of `spans`.
inline bool Inside(std::span<const ByteSpan> spans, size_t begin, size_t end) {
  const auto after =
      std::partition_point(spans.begin(), spans.end(), [&](const ByteSpan& s) { return s.second < end; });
  return after != spans.end() && after->first <= begin;
}

// What `spans` mark of [begin, end), counted from `begin`.
inline std::vector<ByteSpan> SpansWithin(std::span<const ByteSpan> spans, size_t begin, size_t end) {
  std::vector<ByteSpan> within;
  auto span = std::partition_point(spans.begin(), spans.end(), [&](const ByteSpan& s) { return s.second <= begin; });
  for (; span != spans.end() && span->first < end; ++span) {
    within.emplace_back(std::max(span->first, begin) - begin, std::min(span->second, end) - begin);
  }
  return within;
}

}  // namespace hew
