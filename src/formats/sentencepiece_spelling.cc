#include "formats/sentencepiece_spelling.h"

#include <fmt/format.h>

namespace hew {

std::string ByteTokenSpelling(uint8_t byte) { return fmt::format("<0x{:02X}>", byte); }

std::optional<uint8_t> ByteOfToken(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return std::nullopt;
  unsigned value = 0;
  for (const char c : spelling.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'A' && c <= 'F')) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(digit ? c - '0' : c - 'A' + 10);
  }
  return static_cast<uint8_t>(value);
}

}  // namespace hew
