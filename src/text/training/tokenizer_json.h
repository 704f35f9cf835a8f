// What was learned, as the text of a tokenizer.json and a tokenizer_config.json.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/training/bpe_trainer.h"
#include "text/training/tokenizer_training.h"

namespace hew {

// Byte-level BPE: special tokens, the 256 bytes in GPT-2's order, the merged tokens. `patterns` cut the text one after
// another; GPT-2's own is written as ByteLevel with its built-in pattern.
std::string BpeTokenizerJson(const TokenizerTraining& training, const std::vector<const char*>& patterns,
                             const BpeMerges& merges);

// Unigram with byte fallback: special tokens, <0x00> to <0xFF>, the pieces. A space is U+2581 and begins a word.
std::string UnigramTokenizerJson(const TokenizerTraining& training,
                                 const std::vector<std::pair<std::string, double>>& pieces);

std::string TokenizerConfigJson(const TokenizerTraining& training);

}  // namespace hew
