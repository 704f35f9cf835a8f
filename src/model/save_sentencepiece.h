// A SentencePiece BPE in its two forms: GGUF has a score for each token and joins whatever makes one; tokenizer.json
// has the list of joins. Here each is made of the other, so that the same texts give the same ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace hew {

// tokenizer.ggml.token_type
enum GgufTokenType : int32_t {
  kGgufNormal = 1,
  kGgufUnknown = 2,
  kGgufControl = 3,
  kGgufUserDefined = 4,
  kGgufUnused = 5,
  kGgufByte = 6,
};

// "a b" for every two normal tokens that make one, the one with the best score first.
std::vector<std::string> MergesFromScores(const std::vector<std::string>& tokens, const std::vector<int32_t>& types,
                                          const std::vector<float>& scores);

// Minus the place of the first merge that makes each token (ids are places in `tokens`); 0 where none does. `merges`:
// "a b".
std::vector<float> ScoresFromMerges(const std::vector<std::string>& tokens, const std::vector<std::string>& merges);

// normalizer, pre_tokenizer and decoder of such a tokenizer.json. `space_prefix`: a text gets a space in front.
Json SentencePieceNormalizerJson(bool space_prefix);
Json SentencePieceDecoderJson(bool space_prefix);

// Whether a tokenizer.json's normaliser and pre-tokenizer do just what SentencePiece does: spaces become U+2581,
// nothing is cut. Gives whether a text gets a space in front; nullopt if they do anything else.
std::optional<bool> SentencePieceSpacePrefix(const Json& normalizer, const Json& pre_tokenizer);

}  // namespace hew
