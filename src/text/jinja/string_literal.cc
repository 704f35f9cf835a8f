#include "text/jinja/string_literal.h"

#include <charconv>

#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

// Reads exactly `digits` hexadecimal digits at `pos`.
Result<uint32_t> ReadHex(std::string_view body, size_t pos, size_t digits, char letter) {
  uint32_t value = 0;
  const std::string_view text = body.substr(std::min(pos, body.size()), digits);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != digits || error != std::errc() || end != text.data() + digits) {
    return BadInput("expected {} hexadecimal digits after \\{}", digits, letter);
  }
  return value;
}

char SimpleEscape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return '\0';
  }
}

bool IsHighSurrogate(uint32_t c) { return c >= 0xD800 && c < 0xDC00; }
bool IsLowSurrogate(uint32_t c) { return c >= 0xDC00 && c < 0xE000; }

}  // namespace

Result<std::string> DecodeStringLiteral(std::string_view body) {
  std::string out;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 >= body.size()) {
      out += body[i];
      continue;
    }
    const char c = body[++i];
    if (const char simple = SimpleEscape(c); simple != 0) {
      out += simple;
    } else if (c == '\n') {
      continue;  // a line that goes on
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      HEW_ASSIGN(uint32_t code, ReadHex(body, i + 1, digits, c));
      i += digits;
      if (IsHighSurrogate(code) && body.substr(i + 1, 2) == "\\u") {
        HEW_ASSIGN(const uint32_t low, ReadHex(body, i + 3, 4, 'u'));
        if (IsLowSurrogate(low)) {
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        }
      }
      if (code > 0x10FFFF || IsHighSurrogate(code) || IsLowSurrogate(code)) {
        return BadInput("\\{}: expected a Unicode character, found {:#x}", c, code);
      }
      AppendUtf8(code, &out);
    } else if (c >= '0' && c <= '7') {
      uint32_t code = 0;
      size_t n = 0;
      while (n < 3 && i + n < body.size() && body[i + n] >= '0' && body[i + n] <= '7') {
        code = code * 8 + static_cast<uint32_t>(body[i + n++] - '0');
      }
      i += n - 1;
      AppendUtf8(code, &out);
    } else if (c == 'N') {
      return BadInput("\\N{{...}} is not supported: write the character itself");
    } else {
      out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace hew::jinja
