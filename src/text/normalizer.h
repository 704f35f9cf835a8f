// The normalisers that a tokenizer.json may name, as functions on text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hew {

using Normalizer = std::function<std::string(std::string_view)>;

// The `normalizer` value of a tokenizer.json (may be null): NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace,
// Sequence. Error: one that Hew does not know.
Result<std::vector<Normalizer>> ReadNormalizers(const Json& json, const std::string& name);

}  // namespace hew
