#include "text/byte_level.h"

#include <array>

namespace hew {
namespace {

// Printable Latin-1 bytes stand for themselves; the other 68 take code points from 256 on, in order.
struct Map {
  std::array<uint16_t, 256> code_of{};
  std::array<int16_t, 512> byte_of{};

  Map() {
    byte_of.fill(-1);
    uint16_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174);
      code_of[static_cast<size_t>(byte)] = printable ? static_cast<uint16_t>(byte) : next++;
      byte_of[code_of[static_cast<size_t>(byte)]] = static_cast<int16_t>(byte);
    }
  }
};

const Map& ByteMap() {
  static const Map map;
  return map;
}

}  // namespace

std::optional<std::string> BytesFromByteLevel(std::string_view spelled) {
  std::string bytes;
  for (size_t i = 0; i < spelled.size();) {
    const auto lead = static_cast<unsigned char>(spelled[i]);
    uint32_t code = lead;
    size_t length = 1;
    if (lead >= 0x80) {  // the map lies below U+0200: one or two bytes of UTF-8
      if ((lead & 0xE0) != 0xC0 || i + 1 >= spelled.size()) return std::nullopt;
      code = (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(spelled[i + 1]) & 0x3Fu);
      length = 2;
    }
    if (code >= 512 || ByteMap().byte_of[code] < 0) return std::nullopt;
    bytes += static_cast<char>(ByteMap().byte_of[code]);
    i += length;
  }
  return bytes;
}

std::string ByteLevelFromBytes(std::string_view bytes) {
  std::string spelled;
  for (unsigned char byte : bytes) {
    const uint16_t code = ByteMap().code_of[byte];
    if (code < 0x80) {
      spelled += static_cast<char>(code);
    } else {
      spelled += static_cast<char>(0xC0 | (code >> 6));
      spelled += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  return spelled;
}

}  // namespace hew
