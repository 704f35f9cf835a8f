#include "formats/gguf_cursor.h"

#include "base/shown.h"

namespace hew::gguf {

Result<std::string_view> Cursor::Bytes(std::string_view field, uint64_t count) {
  if (count > left()) {
    return BadInput("{} at byte {}: expected {} bytes, found {}", field, offset_, count, left());
  }
  const std::string_view out = bytes_.substr(offset_, count);
  offset_ += count;
  return out;
}

Result<std::string_view> Cursor::Text(std::string_view field, uint64_t max_bytes) {
  const uint64_t start = offset_;
  HEW_ASSIGN(const uint64_t length, Number<uint64_t>(field));
  if (length > max_bytes) {
    return BadInput("{} at byte {}: expected at most {} characters, found {}", field, start, max_bytes, length);
  }
  return Bytes(field, length);
}

Result<uint64_t> Cursor::Count(std::string_view field, uint64_t least) {
  const uint64_t start = offset_;
  HEW_ASSIGN(const uint64_t count, Number<uint64_t>(field));
  if (count > left() / least) {
    return BadInput("{} at byte {}: expected at most {} in a file of this size, found {}", field, start, left() / least,
                    count);
  }
  return count;
}

Status CheckName(std::string_view field, uint64_t offset, std::string_view name) {
  if (name.empty()) return BadInput("{} at byte {}: expected a name, found an empty one", field, offset);
  if (FindInvalidUtf8(name) != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return BadInput("{} at byte {}: expected UTF-8 text, found other bytes", field, offset);
  }
  return {};
}

}  // namespace hew::gguf
