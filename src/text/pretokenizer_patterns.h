// The patterns behind tokenizer.ggml.pre, by name: all in one table.
#pragma once

#include <string>
#include <vector>

namespace hew {

// GPT-2's pattern, which ByteLevel in a tokenizer.json stands for.
extern const char* const kGpt2Pattern;

struct NamedPatterns {
  std::vector<std::string> names;
  std::vector<const char*> patterns;  // each cuts the pieces that the one before left
  bool ignore_merges = false;         // a word that is a token is that token
  bool add_bos = false;               // unless the file says otherwise
  bool byte_level = true;             // tokens are spelled as GPT-2 spells bytes; else as they are
  bool escapes_spaces = false;        // spaces become U+2581
};

const std::vector<NamedPatterns>& PatternTable();

}  // namespace hew
