#include "formats/sentencepiece_spelling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

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

bool TakesSpaceBehind(std::string_view model_name, std::string_view token) {
  std::string lower(model_name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool is_phi3 = lower.find("phi-3") != std::string::npos || lower.find("phi3") != std::string::npos;
  return is_phi3 && token != "<unk>" && token != "<s>" && token != "<|endoftext|>";
}

}  // namespace hew
