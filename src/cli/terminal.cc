#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "base/json.h"

namespace hew {
namespace {

// The code point at `at` of well-formed UTF-8 (or a lone byte), and its length in bytes.
std::pair<char32_t, size_t> CodePointAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (length == 1 || at + length > text.size()) return {first, 1};
  char32_t point = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) point = point << 6 | (byte(at + i) & 0x3Fu);
  return {point, length};
}

bool IsWide(char32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0x1F300 && c <= 0x1FAFF);
}

}  // namespace

bool UseColor() { return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

std::string Quoted(std::string_view bytes) { return DumpJson(nlohmann::json(bytes)); }

size_t Columns(std::string_view text) {
  size_t columns = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [point, length] = CodePointAt(text, at);
    columns += IsWide(point) ? 2 : 1;
    at += length;
  }
  return columns;
}

std::string Fit(std::string_view text, size_t columns) {
  const size_t all = Columns(text);
  if (all <= columns) return std::string(text) + std::string(columns - all, ' ');
  std::string out;
  size_t used = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [point, length] = CodePointAt(text, at);
    const size_t width = IsWide(point) ? 2 : 1;
    if (used + width + 1 > columns) break;
    out += text.substr(at, length);
    used += width;
    at += length;
  }
  return out + "…" + std::string(columns - used - 1, ' ');
}

std::string Bar(double share, int cells) {
  static constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * cells * 8));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

std::string Spark(double share) {
  static constexpr std::array<const char*, 8> kHeights = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  return kHeights[static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * 7))];
}

std::string Curve(const std::vector<double>& values) {
  if (values.empty()) return "";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string line;
  for (const double v : values) line += Spark(*high > *low ? (v - *low) / (*high - *low) : 0.5);
  return line;
}

std::string Heat(double share, bool color) {
  share = std::clamp(share, 0.0, 1.0);
  if (!color) {
    static constexpr std::array<const char*, 5> kShades = {"· ", "░░", "▒▒", "▓▓", "██"};
    return kShades[share <= 0 ? 0 : 1 + static_cast<size_t>(std::lround(share * 3))];
  }
  if (share <= 0) return "\x1b[38;5;240m· \x1b[0m";
  static constexpr std::array<int, 8> kColors = {17, 18, 54, 90, 126, 161, 203, 220};
  return fmt::format("\x1b[48;5;{}m  \x1b[0m", kColors[static_cast<size_t>(std::lround(share * 7))]);
}

std::string OnGround(std::string_view text, double strength, bool color) {
  if (!color) return std::string(text);
  static constexpr std::array<int, 4> kGreens = {22, 28, 34, 40}, kReds = {52, 88, 124, 160};
  const double size = std::min(1.0, std::abs(strength));
  if (size < 0.08) return std::string(text);
  const auto step = static_cast<size_t>(std::lround(size * 3));
  return fmt::format("\x1b[48;5;{}m\x1b[97m{}\x1b[0m", (strength > 0 ? kGreens : kReds)[step], text);
}

std::string Bold(std::string_view text, bool color) {
  return color ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

}  // namespace hew
