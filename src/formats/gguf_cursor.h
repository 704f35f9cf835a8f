// Goes through a GGUF header whose every number may be hostile: counts are held against the bytes left before anything
// is reserved, so that work and memory stay proportional to the file.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/result.h"
#include "formats/gguf.h"

namespace hew::gguf {

// Errors name a field, the offset where it stands, expected and found.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  uint64_t left() const { return bytes_.size() - offset_; }

  template <typename T>
  Result<T> Number(std::string_view field) {
    HEW_ASSIGN(const std::string_view raw, Bytes(field, sizeof(T)));
    T value;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }

  Result<std::string_view> Bytes(std::string_view field, uint64_t count);

  // A length and as many bytes.
  Result<std::string_view> Text(std::string_view field, uint64_t max_bytes);

  // A count of things that take at least `least` bytes each; more than the file can hold is refused at once.
  Result<uint64_t> Count(std::string_view field, uint64_t least);

 private:
  std::string_view bytes_;
  uint64_t offset_ = 0;
};

// A key or a tensor's name: not empty, UTF-8, no zero byte.
Status CheckName(std::string_view field, uint64_t offset, std::string_view name);

// `count` keys with their values. Errors: a repeated or bad key, an unknown type, a value that leaves the file.
Result<GgufMetadata> ReadMetadata(Cursor& in, uint64_t count);

}  // namespace hew::gguf
