#include "train/preview.h"

#include <algorithm>

#include "base/shown.h"

namespace hew {
namespace {

constexpr std::string_view kGreen = "\033[1;32m", kPlain = "\033[0m";

std::string Printable(const std::string& text) {
  std::string out;
  const bool utf8 = FindInvalidUtf8(text) == std::string_view::npos;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool harmless = (byte >= 0x20 && byte != 0x7f) || c == '\n' || c == '\t';
    if (harmless && (utf8 || byte < 0x80))
      out += c;
    else
      out += fmt::format("\\x{:02x}", byte);
  }
  return out;
}

}  // namespace

std::string ShowExample(const Tokenizer& tokenizer, const TrainingExample& example, bool color, int64_t most_tokens) {
  const int64_t size = example.size();
  const int64_t begin =
      std::clamp<int64_t>(example.first_learned() - most_tokens / 2, 0, std::max<int64_t>(0, size - most_tokens));
  const int64_t end = std::min(size, begin + most_tokens);
  std::string out = begin > 0 ? "..." : "";
  for (int64_t i = begin; i < end;) {
    // A run of tokens that are all learned, or all not, so that characters of several tokens come out whole.
    const bool learned = example.weights[static_cast<size_t>(i)] > 0;
    std::string run;
    for (; i < end && (example.weights[static_cast<size_t>(i)] > 0) == learned; ++i) {
      run += tokenizer.TokenBytes(example.ids[static_cast<size_t>(i)], true);
    }
    run = Printable(run);
    if (learned && color)
      out.append(kGreen).append(run).append(kPlain);
    else if (learned)
      out += "[[" + run + "]]";
    else
      out += run;
  }
  return end < size ? out + "..." : out;
}

std::string ShowPair(const Tokenizer& tokenizer, const TrainingExample& chosen, const TrainingExample& rejected,
                     bool color) {
  constexpr int64_t kShown = 200;
  return fmt::format("chosen:\n{}\nrejected:\n{}", ShowExample(tokenizer, chosen, color, kShown),
                     ShowExample(tokenizer, rejected, color, kShown));
}

}  // namespace hew
