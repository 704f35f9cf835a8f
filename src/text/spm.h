// SentencePiece's BPE as llama.cpp runs it: of all neighbours that together are a token, those with the highest score
// are joined first, the leftmost of equals. What is no token in the end is spelled by its bytes.
#pragma once

#include <array>

#include "text/string_map.h"
#include "text/word_model.h"

namespace hew {

class Spm : public WordModel {
 public:
  // `spelling` has U+2581 for spaces, as the text has that Encode gets.
  void AddToken(std::string spelling, int32_t id, float score);
  void Reserve(size_t tokens) { tokens_.reserve(tokens); }
  void SetByte(uint8_t byte, int32_t id) { byte_ids_[byte] = id; }
  void set_unknown(std::optional<int32_t> id) { unknown_ = id; }  // for bytes without a token; else they give nothing

  void Encode(std::string_view word, std::vector<int32_t>* ids) const override;
  std::optional<int32_t> Find(std::string_view spelling) const override;

 private:
  struct Token {
    int32_t id;
    float score;
  };
  const Token* FindToken(std::string_view text) const {
    if (text.size() > longest_) return nullptr;
    const auto at = tokens_.find(text);
    return at == tokens_.end() ? nullptr : &at->second;
  }
  void Append(std::string_view text, std::vector<int32_t>* ids) const;

  TextMap<Token> tokens_;
  size_t longest_ = 0;
  std::array<int32_t, 256> byte_ids_ = [] {
    std::array<int32_t, 256> none{};
    none.fill(-1);
    return none;
  }();
  std::optional<int32_t> unknown_;
};

}  // namespace hew
