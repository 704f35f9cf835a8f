// Normalisers as functions on text: those that a tokenizer.json may name, and SentencePiece's own.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/charsmap.h"
#include "text/trie.h"

namespace hew {

using Normalizer = std::function<std::string(std::string_view)>;

// The `normalizer` value of a tokenizer.json (may be null): NFC, NFD, NFKC, NFKD, Lowercase, Strip,
// StripAccents, Nmt, Prepend, Replace, Precompiled, Sequence. Error: one that Hew does not know.
Result<std::vector<Normalizer>> ReadNormalizers(const Json& json, const std::string& name);

// What SentencePiece does before a unigram model: what `map` holds is replaced, words of `as_it_is` are not; spaces
// become U+2581, the first word gets one in front (`prefix`), runs of them become one (`merge`).
Normalizer SentencePieceNormalizer(std::optional<Charsmap> map, Trie as_it_is, bool prefix, bool merge);

}  // namespace hew
