#include "text/jinja/marked_text.h"

namespace hew::jinja {

// `begin` is never before what is marked already.
void MarkedText::Mark(size_t begin, size_t end) {
  if (begin == end) return;
  if (!data_.empty() && data_.back().second == begin) {
    data_.back().second = end;
  } else {
    data_.emplace_back(begin, end);
  }
}

void MarkedText::AppendPart(const MarkedText& other, size_t begin, size_t end) {
  const size_t at = bytes_.size();
  bytes_.append(other.bytes_, begin, end - begin);
  auto span = std::partition_point(other.data_.begin(), other.data_.end(),
                                   [begin](const ByteSpan& s) { return s.second <= begin; });
  for (; span != other.data_.end() && span->first < end; ++span) {
    Mark(at + std::max(span->first, begin) - begin, at + std::min(span->second, end) - begin);
  }
}

MarkedText MarkedText::Part(std::string_view part) const {
  MarkedText out;
  if (part.empty()) return out;
  const auto begin = static_cast<size_t>(part.data() - bytes_.data());
  out.AppendPart(*this, begin, begin + part.size());
  return out;
}

}  // namespace hew::jinja
