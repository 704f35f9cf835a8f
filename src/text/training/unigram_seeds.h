// The pieces that a unigram vocabulary starts from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "text/training/unigram_words.h"

namespace hew {

struct UnigramPiece {
  std::u32string characters;  // numbers in the alphabet
  double score = 0;           // log probability
};

inline constexpr size_t kMaxPieceCharacters = 16;

// Every character of the alphabet, in its order, then the `most` substrings of words that cover most text (frequency
// times length): of 2 to 16 characters, seen at least twice, and only those that no longer substring always stands in
// for (they would split a count that belongs together). Scores are log relative frequencies.
std::vector<UnigramPiece> SeedPieces(const ThreadPool& pool, const UnigramWords& words, size_t most);

}  // namespace hew
