#include "text/jinja/text_functions.h"

#include <algorithm>

#include "text/jinja/unicode.h"

namespace hew::jinja {

Result<MarkedText> ReplaceText(const MarkedText& marked, std::string_view from, const MarkedText& to, int64_t count,
                               Budget* budget) {
  const std::string_view text = marked.bytes();
  const auto limit = count < 0 ? text.size() + 1 : static_cast<uint64_t>(count);
  uint64_t times = 0;
  if (from.empty()) {
    times = std::min<uint64_t>(limit, CodePointCount(text) + 1);
  } else {
    for (size_t at = FindText(text, from); at != std::string_view::npos && times < limit; ++times) {
      at = FindText(text, from, at + from.size());
    }
  }
  uint64_t added = 0;
  if (__builtin_mul_overflow(times, to.size(), &added)) added = UINT64_MAX / 2;
  HEW_RETURN_IF_ERROR(budget->ChargeText(text.size() + added));
  MarkedText out;
  size_t pos = 0;
  for (uint64_t i = 0; i < times; ++i) {
    if (from.empty()) {  // before each character, and at the end
      out.Append(to);
      if (pos < text.size()) {
        const size_t bytes = DecodeAt(text, pos).bytes;
        out.AppendPart(marked, pos, pos + bytes);
        pos += bytes;
      }
      continue;
    }
    const size_t at = FindText(text, from, pos);
    out.AppendPart(marked, pos, at);
    out.Append(to);
    pos = at + from.size();
  }
  out.AppendPart(marked, pos, text.size());
  return out;
}

Result<std::vector<std::string_view>> SplitText(std::string_view text, std::string_view separator, int64_t max,
                                                bool from_right) {
  if (separator.empty()) return BadInput("empty separator");
  std::vector<std::string_view> parts;
  const uint64_t limit = max < 0 ? text.size() + 1 : static_cast<uint64_t>(max);
  if (from_right) {
    while (parts.size() < limit) {
      const size_t at = text.rfind(separator);
      if (at == std::string_view::npos) break;
      parts.push_back(text.substr(at + separator.size()));
      text = text.substr(0, at);
    }
    parts.push_back(text);
    std::reverse(parts.begin(), parts.end());
    return parts;
  }
  while (parts.size() < limit) {
    const size_t at = FindText(text, separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(0, at));
    text = text.substr(at + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> SplitSpace(std::string_view text, int64_t max, bool from_right) {
  // The words first; then the rest that no cut is left for is joined again, with the space inside it.
  std::vector<std::string_view> words;
  size_t begin = std::string_view::npos;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    if (!IsSpace(c.value)) {
      if (begin == std::string_view::npos) begin = pos;
    } else if (begin != std::string_view::npos) {
      words.push_back(text.substr(begin, pos - begin));
      begin = std::string_view::npos;
    }
    pos += c.bytes;
  }
  if (begin != std::string_view::npos) words.push_back(text.substr(begin));
  if (max < 0 || words.size() <= static_cast<uint64_t>(max)) return words;
  const auto cuts = static_cast<size_t>(max);
  // Python keeps the white space at the far end of the part that is left over.
  if (from_right) {
    const std::string_view last = words[words.size() - cuts - 1];
    const std::string_view rest = text.substr(0, static_cast<size_t>(last.data() + last.size() - text.data()));
    std::vector<std::string_view> parts = {rest};
    parts.insert(parts.end(), words.end() - static_cast<std::ptrdiff_t>(cuts), words.end());
    return parts;
  }
  const std::string_view first = words[cuts];
  words.resize(cuts);
  words.push_back(text.substr(static_cast<size_t>(first.data() - text.data())));
  return words;
}

}  // namespace hew::jinja
