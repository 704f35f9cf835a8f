// SentencePiece's compiled normalisation: a table of byte sequences and what each becomes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hew {

class Charsmap {
 public:
  // `blob`: four bytes of length, a double array of that many bytes, and the replacements, each ended by a zero.
  // Error: "expected a compiled charsmap, found ..." without a prefix.
  static Result<Charsmap> Parse(std::string_view blob);
  static Result<Charsmap> ParseBase64(std::string_view text);

  struct Match {
    size_t bytes = 0;  // of the text; 0: nothing matches
    std::string_view replacement;
  };
  // What `text` begins with: the longest or the shortest entry.
  Match Longest(std::string_view text) const { return Find(text, true); }
  Match Shortest(std::string_view text) const { return Find(text, false); }
  // As the `tokenizers` library applies it: to whole graphemes of less than six bytes, else to characters, each time
  // the shortest entry standing for the whole.
  std::string NormalizeGraphemes(std::string_view text) const;

 private:
  Match Find(std::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace hew
