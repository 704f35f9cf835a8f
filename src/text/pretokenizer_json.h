// The pre-tokenizers that a tokenizer.json may name.
#pragma once

#include <string>

#include "base/json.h"
#include "text/pretokenizer.h"

namespace hew {

// The `pre_tokenizer` value of a tokenizer.json (may be null): ByteLevel (which sets PreTokenizer::byte_level), Split,
// Digits, Punctuation, Metaspace, Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer, FixedLength,
// Sequence. Error: one that Hew does not know, a pattern that is none.
Result<PreTokenizer> ReadPreTokenizer(const Json& json, const std::string& name);

}  // namespace hew
