#include "text/jinja/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_set>

namespace hew::jinja {
namespace {

// Letters whose upper case is more than one letter (Unicode SpecialCasing.txt, the unconditional Latin ones).
std::string_view SpecialUpper(uint32_t c) {
  switch (c) {
    case 0xDF:
      return "SS";
    case 0x149:
      return "\xCA\xBCN";
    case 0xFB00:
      return "FF";
    case 0xFB01:
      return "FI";
    case 0xFB02:
      return "FL";
    case 0xFB03:
      return "FFI";
    case 0xFB04:
      return "FFL";
    case 0xFB05:
    case 0xFB06:
      return "ST";
    default:
      return {};
  }
}

std::string_view SpecialTitle(uint32_t c) {
  switch (c) {
    case 0xDF:
      return "Ss";
    case 0xFB00:
      return "Ff";
    case 0xFB01:
      return "Fi";
    case 0xFB02:
      return "Fl";
    case 0xFB03:
      return "Ffi";
    case 0xFB04:
      return "Ffl";
    case 0xFB05:
    case 0xFB06:
      return "St";
    default:
      return {};
  }
}

void AppendUpper(uint32_t c, std::string* out) {
  if (auto special = SpecialUpper(c); !special.empty()) {
    *out += special;
  } else {
    AppendUtf8(static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))), out);
  }
}

void AppendTitle(uint32_t c, std::string* out) {
  if (auto special = SpecialTitle(c); !special.empty()) {
    *out += special;
  } else {
    AppendUtf8(static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))), out);
  }
}

// A capital sigma at the end of a word becomes the final form.
bool IsFinalSigma(std::string_view text, size_t pos) {
  if (pos == 0) return false;
  size_t before = pos - 1;
  while (before > 0 && (static_cast<uint8_t>(text[before]) & 0xC0) == 0x80) --before;
  const uint32_t previous = DecodeAt(text, before).value;
  if (previous == kInvalidByte || !IsLetter(previous)) return false;
  if (pos + 2 >= text.size()) return true;
  const uint32_t next = DecodeAt(text, pos + 2).value;
  return next == kInvalidByte || !IsLetter(next);
}

void AppendLower(std::string_view text, size_t pos, uint32_t c, std::string* out) {
  if (c == 0x130) {
    *out += "i\xCC\x87";
  } else if (c == 0x3A3) {
    AppendUtf8(IsFinalSigma(text, pos) ? 0x3C2 : 0x3C3, out);
  } else {
    AppendUtf8(static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
  }
}

// Lower-cases text from byte `pos` on.
void AppendLowerFrom(std::string_view text, size_t pos, std::string* out) {
  while (pos < text.size()) {
    const CodePoint c = DecodeAt(text, pos);
    if (c.value == kInvalidByte) {
      *out += text[pos];
    } else {
      AppendLower(text, pos, c.value, out);
    }
    pos += c.bytes;
  }
}

}  // namespace

CodePoint DecodeAt(std::string_view text, size_t pos) {
  const auto first = static_cast<uint8_t>(text[pos]);
  if (first < 0x80) return {first, 1};
  utf8proc_int32_t code = -1;
  const auto left = static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size() - pos, 4));
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + pos, left, &code);
  if (bytes <= 0 || code < 0) return {kInvalidByte, 1};
  return {static_cast<uint32_t>(code), static_cast<size_t>(bytes)};
}

void AppendUtf8(uint32_t c, std::string* out) {
  utf8proc_uint8_t buffer[4];
  const auto bytes = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), buffer);
  out->append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(bytes));
}

size_t CodePointCount(std::string_view text) {
  size_t count = 0;
  for (size_t pos = 0; pos < text.size(); ++count) {
    uint64_t word = 0;
    while (pos + sizeof(word) <= text.size()) {  // eight ASCII letters at a time
      std::memcpy(&word, text.data() + pos, sizeof(word));
      if ((word & 0x8080808080808080u) != 0) break;
      pos += sizeof(word);
      count += sizeof(word);
    }
    if (pos == text.size()) break;
    pos += DecodeAt(text, pos).bytes;
  }
  return count;
}

size_t FindText(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  constexpr size_t kShortBytes = 32;  // the plain search costs at most this much per letter
  if (part.size() <= kShortBytes) return text.find(part, from);
  // glibc's memmem is the two-way search for long needles. Sanitizers read all of the text on each call.
  const void* const found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

std::vector<size_t> CodePointOffsets(std::string_view text) {
  std::vector<size_t> offsets;
  offsets.reserve(text.size() + 1);
  for (size_t pos = 0; pos < text.size(); pos += DecodeAt(text, pos).bytes) offsets.push_back(pos);
  offsets.push_back(text.size());
  return offsets;
}

bool IsSpace(uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsLineBreak(uint32_t c) {
  return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool IsPrintable(uint32_t c) {
  if (c == ' ') return true;
  if (c == kInvalidByte) return false;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

bool IsLetter(uint32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
}

bool IsDecimalDigit(uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND; }

bool IsAlphabetic(uint32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT ||
         category == UTF8PROC_CATEGORY_LM || category == UTF8PROC_CATEGORY_LO;
}

template <typename Strips>
static std::string_view StripIf(std::string_view text, bool left, bool right, Strips strips) {
  size_t begin = 0;
  size_t end = text.size();
  while (left && begin < end) {
    const CodePoint c = DecodeAt(text, begin);
    if (!strips(text.substr(begin, c.bytes), c.value)) break;
    begin += c.bytes;
  }
  while (right && end > begin) {
    size_t start = end - 1;  // step back over continuation bytes, at most to where the character can begin
    while (start > begin && end - start < 4 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    CodePoint c = DecodeAt(text, start);
    if (start + c.bytes != end) {  // not one whole character: take the last byte alone
      start = end - 1;
      c = {kInvalidByte, 1};
    }
    if (!strips(text.substr(start, end - start), c.value)) break;
    end = start;
  }
  return text.substr(begin, end - begin);
}

std::string_view StripSpace(std::string_view text, bool left, bool right) {
  return StripIf(text, left, right, [](std::string_view, uint32_t c) { return IsSpace(c); });
}

std::string_view StripSet(std::string_view text, std::string_view set, bool left, bool right) {
  std::unordered_set<uint32_t> members;
  for (size_t pos = 0; pos < set.size();) {
    const CodePoint c = DecodeAt(set, pos);
    if (c.value != kInvalidByte) members.insert(c.value);
    pos += c.bytes;
  }
  return StripIf(text, left, right,
                 [&members](std::string_view, uint32_t c) { return members.find(c) != members.end(); });
}

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    const size_t at = pos;
    pos += c.bytes;
    if (!IsLineBreak(c.value)) continue;
    if (c.value == '\r' && pos < text.size() && text[pos] == '\n') ++pos;
    lines.push_back(text.substr(begin, at - begin));
    begin = pos;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string Upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    if (c.value == kInvalidByte) {
      out += text[pos];
    } else {
      AppendUpper(c.value, &out);
    }
    pos += c.bytes;
  }
  return out;
}

std::string Lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  AppendLowerFrom(text, 0, &out);
  return out;
}

std::string TitleCase(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    if (c.value == kInvalidByte) {
      out += text[pos];
      in_word = false;
    } else if (in_word) {
      AppendLower(text, pos, c.value, &out);
      in_word = IsLetter(c.value);
    } else {
      AppendTitle(c.value, &out);
      in_word = IsLetter(c.value);
    }
    pos += c.bytes;
  }
  return out;
}

std::string Capitalize(std::string_view text) {
  if (text.empty()) return {};
  const CodePoint first = DecodeAt(text, 0);
  if (first.value == kInvalidByte) return std::string(text.substr(0, 1)) + Lower(text.substr(1));
  std::string out;
  AppendTitle(first.value, &out);
  // Lower-casing looks back over the whole text, so that a final sigma is seen.
  AppendLowerFrom(text, first.bytes, &out);
  return out;
}

std::string QuotePython(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    if (c.value == static_cast<uint32_t>(quote) || c.value == '\\') {
      out += '\\';
      out += text[pos];
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value == '\r') {
      out += "\\r";
    } else if (c.value == '\t') {
      out += "\\t";
    } else if (c.value == kInvalidByte) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[pos]));
    } else if (IsPrintable(c.value)) {
      out += text.substr(pos, c.bytes);
    } else if (c.value < 0x100) {
      out += fmt::format("\\x{:02x}", c.value);
    } else if (c.value < 0x10000) {
      out += fmt::format("\\u{:04x}", c.value);
    } else {
      out += fmt::format("\\U{:08x}", c.value);
    }
    pos += c.bytes;
  }
  out += quote;
  return out;
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, static_cast<size_t>(end - buffer));  // d.ddde+XX
  const size_t e = scientific.find('e');
  int exponent = 0;
  const char* digits_of_exponent = scientific.data() + e + 1;
  if (*digits_of_exponent == '+') ++digits_of_exponent;
  std::from_chars(digits_of_exponent, end, exponent);
  // Python prints plain decimals for 1e-4 <= |value| < 1e16.
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}e{}{:02}", scientific.substr(0, e), exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  const auto fixed_end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed).ptr;
  std::string fixed(buffer, fixed_end);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

}  // namespace hew::jinja
