// The step of a tokenizer that turns one word (or a whole text, where nothing cuts it) into ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/sentencepiece_spelling.h"

namespace hew {

class WordModel {
 public:
  virtual ~WordModel() = default;
  // Appends the ids of `word`. Time n log n in its length, or n times the longest token's.
  virtual void Encode(std::string_view word, std::vector<int32_t>* ids) const = 0;
  // The id of a token by its spelling in the vocabulary.
  virtual std::optional<int32_t> Find(std::string_view spelling) const = 0;
};

// Every `from` in `text` as `to`.
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to);

}  // namespace hew
