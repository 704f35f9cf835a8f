// Words as numbers of an alphabet: the form in which a unigram vocabulary is learned.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/training/word_counter.h"

namespace hew {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581 stands for a space

struct UnigramWord {
  uint32_t begin = 0, length = 0;  // of UnigramWords::characters
  int64_t count = 0;
};

struct UnigramWords {
  std::vector<std::string> alphabet;  // UTF-8 of each character, the most frequent first
  std::vector<uint32_t> characters;   // numbers in the alphabet
  std::vector<UnigramWord> words;
  int64_t total = 0;          // sum of counts
  int64_t bytes_outside = 0;  // of characters that are not in the alphabet

  std::span<const uint32_t> Of(const UnigramWord& word) const {
    return std::span(characters).subspan(word.begin, word.length);
  }
};

// Cuts text into words: a space goes with the word behind it; each further space and each line feed is a word alone.
void SplitAtSpaces(std::string_view text, const std::function<void(std::string_view)>& take);

// The alphabet is the most frequent characters that make up `coverage` of all, and always space, line feed and
// printable ASCII; words fall apart at what lies outside (it will be spelled in bytes), and are cut at 40 characters.
UnigramWords ToUnigramWords(std::span<const WordCount> words, double coverage);

}  // namespace hew
