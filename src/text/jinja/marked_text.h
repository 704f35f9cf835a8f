// A text that remembers which of its bytes are the caller's data (messages, tools) and which the template's own, so
// that a control token which a user spells out is told from one that the template writes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/byte_span.h"

namespace hew::jinja {

class MarkedText {
 public:
  MarkedText() = default;
  explicit MarkedText(std::string bytes, bool is_data = false) : bytes_(std::move(bytes)) {
    if (is_data) Mark(0, bytes_.size());
  }

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  // In order, apart from each other, none empty.
  const std::vector<ByteSpan>& data() const { return data_; }
  bool has_data() const { return !data_.empty(); }

  void Append(std::string_view bytes, bool is_data = false) {
    bytes_ += bytes;
    if (is_data) Mark(bytes_.size() - bytes.size(), bytes_.size());
  }
  void Append(const MarkedText& other) { AppendPart(other, 0, other.size()); }
  // Bytes [begin, end) of `other`.
  void AppendPart(const MarkedText& other, size_t begin, size_t end);
  // `part` is a view into bytes(); what an operation cut out of it.
  MarkedText Part(std::string_view part) const;

  std::string TakeBytes() { return std::move(bytes_); }
  std::vector<ByteSpan> TakeData() { return std::move(data_); }

 private:
  void Mark(size_t begin, size_t end);

  std::string bytes_;
  std::vector<ByteSpan> data_;
};

}  // namespace hew::jinja
