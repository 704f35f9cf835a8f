// For tests and fuzzing only: files made byte by byte, so that any part of them can be wrong.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "formats/gguf_types.h"

namespace hew {

template <typename T>
std::string Raw(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

inline std::string RawText(const std::string& text) { return Raw<uint64_t>(text.size()) + text; }

// One key with its value; `value` is raw bytes.
inline std::string RawEntry(const std::string& key, uint32_t type, const std::string& value) {
  return RawText(key) + Raw(type) + value;
}

inline std::string RawTensor(const std::string& name, const std::vector<int64_t>& innermost_first, uint32_t type,
                             uint64_t offset) {
  std::string out = RawText(name) + Raw(static_cast<uint32_t>(innermost_first.size()));
  for (int64_t dim : innermost_first) out += Raw(dim);
  return out + Raw(type) + Raw(offset);
}

inline std::string RawStrings(const std::vector<std::string>& texts) {
  std::string out = Raw<uint32_t>(gguf::kString) + Raw<uint64_t>(texts.size());
  for (const std::string& text : texts) out += RawText(text);
  return out;
}

// A GGUF file by its parts; counts follow from the lists unless they are given.
struct RawGguf {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> metadata, tensors;
  std::optional<uint64_t> tensor_count, metadata_count;
  size_t alignment = 32;
  std::string data;

  std::string Header() const {
    std::string out = magic + Raw(version) + Raw(tensor_count.value_or(tensors.size())) +
                      Raw(metadata_count.value_or(metadata.size()));
    for (const std::string& entry : metadata) out += entry;
    for (const std::string& tensor : tensors) out += tensor;
    return out;
  }
  std::string Build() const {
    std::string out = Header();
    out.append((alignment - out.size() % alignment) % alignment, '\0');
    return out + data;
  }
};

}  // namespace hew
