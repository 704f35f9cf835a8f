// The pre-tokenizers that both formats can say: GGUF by a name (tokenizer.ggml.pre), tokenizer.json by a tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace hew {

struct PreTokenizerRule {
  std::string_view pre;  // the name written to GGUF
  Json normalizer;       // of tokenizer.json; null for none
  Json pre_tokenizer;
  bool adds_bos = false;  // llama.cpp adds BOS unless the file says otherwise
  bool ignore_merges = false;
};

// By GGUF's name, those that stand for the same rule included; nullopt when Hew has no tree for it.
std::optional<PreTokenizerRule> PreTokenizerNamed(std::string_view pre);
// By tokenizer.json's tree (trim_offsets, which changes no id, set aside).
std::optional<PreTokenizerRule> PreTokenizerLike(const Json& normalizer, const Json& pre_tokenizer);
std::string KnownPreTokenizers();  // for error messages

}  // namespace hew
