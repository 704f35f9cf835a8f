// The step of a tokenizer that turns one word (or a whole text, where nothing cuts it) into ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hew {

class WordModel {
 public:
  virtual ~WordModel() = default;
  // Appends the ids of `word`. Time n log n in its length, or n times the longest token's.
  virtual void Encode(std::string_view word, std::vector<int32_t>* ids) const = 0;
  // The id of a token by its spelling in the vocabulary.
  virtual std::optional<int32_t> Find(std::string_view spelling) const = 0;
};

// SentencePiece's sign for a space, U+2581.
inline constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

// "<0x0A>" is the token of one byte.
std::string ByteTokenSpelling(uint8_t byte);
std::optional<uint8_t> ByteOfToken(std::string_view spelling);
// Every `from` in `text` as `to`.
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to);

}  // namespace hew
