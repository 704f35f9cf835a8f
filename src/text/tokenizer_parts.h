// What a tokenizer is made of, as the readers of GGUF and tokenizer.json fill it in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"
#include "text/end_tokens.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/special_tokens.h"
#include "text/word_model.h"

namespace hew {

enum class TokenKind : uint8_t { kNormal, kUserDefined, kControl };

// The way of a text: special tokens are taken out; what lies between is normalised; tokens of normalised text are taken
// out; what lies between is cut into words; the model gives their ids.
struct TokenizerParts {
  std::string kind;  // "bpe", "spm", "unigram"
  SpecialTokens special;
  bool space_before_text = false;  // text at the beginning, or behind a special token, gets a space in front
  std::vector<Normalizer> normalizers;
  SpecialTokens normalized_special;
  PreTokenizer pre;
  std::unique_ptr<const WordModel> model;

  std::vector<std::string> bytes;  // of each id: raw bytes
  std::vector<TokenKind> kinds;
  bool drops_space = false;  // decoding takes one space off the front, since encoding puts one there
  std::optional<int32_t> bos, eos, pad;
  EndTokens ends;
  bool add_bos = false, add_eos = false;
  std::string chat_template;
};

// As llama.cpp reads it. Errors without the file's name.
Result<TokenizerParts> TokenizerPartsFromGguf(const GgufMetadata& metadata);
// As the `tokenizers` library reads it; the second text may be empty.
Result<TokenizerParts> TokenizerPartsFromJson(std::string_view tokenizer_json, std::string_view tokenizer_config_json,
                                              const std::string& name);

}  // namespace hew
