// Unigram tokenisation (Kudo 2018): of all ways to cut a word into tokens, the one whose scores add up to most.
#pragma once

#include <array>

#include "text/string_map.h"
#include "text/trie.h"
#include "text/word_model.h"

namespace hew {

class Unigram : public WordModel {
 public:
  struct Token {
    std::string spelling;
    int32_t id = 0;
    double score = 0;
  };
  static constexpr size_t kMaxTokenBytes = 1024;  // encoding takes the word's length times the longest token's

  // `unknown_score`: what a character costs that is no token. A run of them is one `unknown`, or with `bytes` (256
  // ids) the tokens of its bytes.
  Unigram(std::vector<Token> tokens, int32_t unknown, double unknown_score, std::vector<int32_t> bytes = {});

  void Encode(std::string_view word, std::vector<int32_t>* ids) const override;
  std::optional<int32_t> Find(std::string_view spelling) const override;

 private:
  TextMap<int32_t> ids_;
  std::vector<Token> tokens_;
  Trie trie_;  // values are positions in tokens_
  int32_t unknown_;
  double unknown_score_;
  std::vector<int32_t> bytes_;
};

}  // namespace hew
