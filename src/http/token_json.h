// Tokens and their probabilities as OpenAI's two APIs spell them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "infer/batch_engine.h"
#include "text/tokenizer.h"

namespace hew {

// A token's text, special ones spelled out; bytes that are no whole UTF-8 as "bytes:\xe2\x80", so that no two tokens
// look the same for it.
std::string TokenText(const Tokenizer& tokenizer, int32_t id);

double FiniteLogprob(double logprob);  // -9999 for what cannot be: JSON has no infinity

// Of chats: [{"token", "logprob", "bytes", "top_logprobs": [...]}]. Tokens that end a turn are no content.
Json ChatLogprobs(const Tokenizer& tokenizer, const std::vector<TokenChoice>& tokens, int64_t top);

// Of completions: parallel lists, "top_logprobs" with the chosen token beside the likeliest.
class CompletionLogprobs {
 public:
  CompletionLogprobs(const Tokenizer& tokenizer, int64_t top) : tokenizer_(tokenizer), top_(top) {}
  void AddFirst(int32_t id);  // of an echoed prompt: nothing comes before it, so it has no probability
  void Add(const std::vector<TokenChoice>& tokens);
  Json Take();  // {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, from the last call on

 private:
  void AddToken(int32_t id);

  const Tokenizer& tokenizer_;
  const int64_t top_;
  size_t characters_ = 0;  // of the text so far: what text_offset counts
  Json tokens_ = Json::array(), logprobs_ = Json::array(), tops_ = Json::array(), offsets_ = Json::array();
};

}  // namespace hew
