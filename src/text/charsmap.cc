#include "text/charsmap.h"

#include <utf8proc.h>

#include <cstring>

#include "text/unicode.h"

namespace hew {
namespace {

// A unit of the double array (Yata's darts-clone): where its children lie, the byte that leads here, whether an entry
// ends here; or, below a unit with an entry, the entry's value.
size_t Offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & (1u << 9)) >> 6); }
uint32_t Label(uint32_t unit) { return unit & ((1u << 31) | 0xFF); }
bool HasEntry(uint32_t unit) { return ((unit >> 8) & 1) != 0; }
uint32_t Value(uint32_t unit) { return unit & ((1u << 31) - 1); }

}  // namespace

Result<Charsmap> Charsmap::Parse(std::string_view blob) {
  uint32_t bytes = 0;
  if (blob.size() >= sizeof bytes) std::memcpy(&bytes, blob.data(), sizeof bytes);
  if (blob.size() < sizeof bytes || bytes % 4 != 0 || bytes == 0 || bytes > blob.size() - sizeof bytes) {
    return BadInput("expected a compiled charsmap (a length, a table of it, replacements), found {} bytes, length {}",
                    blob.size(), bytes);
  }
  Charsmap map;
  map.units_.resize(bytes / 4);
  std::memcpy(map.units_.data(), blob.data() + sizeof bytes, bytes);
  map.replacements_ = blob.substr(sizeof bytes + bytes);
  map.replacements_ += '\0';
  return map;
}

Result<Charsmap> Charsmap::ParseBase64(std::string_view text) {
  std::string blob;
  uint32_t bits = 0;
  int count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const uint32_t value = c >= 'A' && c <= 'Z'   ? static_cast<uint32_t>(c - 'A')
                           : c >= 'a' && c <= 'z' ? static_cast<uint32_t>(c - 'a') + 26
                           : c >= '0' && c <= '9' ? static_cast<uint32_t>(c - '0') + 52
                           : c == '+'             ? 62
                           : c == '/'             ? 63
                                                  : 64;
    if (value == 64) return BadInput("expected base64, found a byte {}", static_cast<int>(c));
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    blob += static_cast<char>(bits >> count & 0xFF);
  }
  return Parse(blob);
}

Charsmap::Match Charsmap::Find(std::string_view text, bool longest) const {
  Match match;
  size_t node = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || Label(units_[node]) != byte) return match;
    const uint32_t unit = units_[node];
    node ^= Offset(unit);
    if (!HasEntry(unit)) continue;
    if (node >= units_.size() || Value(units_[node]) >= replacements_.size()) return match;
    match.bytes = i + 1;
    match.replacement = replacements_.c_str() + Value(units_[node]);
    if (!longest) return match;
  }
  return match;
}

std::string Charsmap::NormalizeGraphemes(std::string_view text) const {
  constexpr size_t kLongGrapheme = 6;
  std::string out;
  const auto append_characters = [&](std::string_view part) {
    for (size_t at = 0; at < part.size();) {
      const std::string_view character = part.substr(at, CharacterAt(part, at).bytes);
      const Match match = Shortest(character);
      out += match.bytes > 0 ? match.replacement : character;
      at += character.size();
    }
  };
  for (size_t begin = 0; begin < text.size();) {
    utf8proc_int32_t state = 0;
    Character last = CharacterAt(text, begin);
    size_t end = begin + last.bytes;
    while (end < text.size() && last.code >= 0) {
      const Character next = CharacterAt(text, end);
      if (next.code < 0 || utf8proc_grapheme_break_stateful(last.code, next.code, &state)) break;
      last = next;
      end += next.bytes;
    }
    const std::string_view grapheme = text.substr(begin, end - begin);
    const Match match = grapheme.size() < kLongGrapheme ? Shortest(grapheme) : Match();
    if (match.bytes > 0) {
      out += match.replacement;
    } else {
      append_characters(grapheme);
    }
    begin = end;
  }
  return out;
}

}  // namespace hew
