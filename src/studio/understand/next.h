// What a model would say next, with the spelling of each token: what `hew next`, the page and everything else in this
// folder show, so that the numbers are the same everywhere.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "infer/generator.h"

namespace hew {

struct LikelyToken {
  int32_t id = 0;
  std::string text;    // its bytes, special tokens spelled out; not always whole UTF-8
  double logprob = 0;  // natural logarithm

  double probability() const;
};

std::vector<LikelyToken> Spell(const Tokenizer& tokenizer, const std::vector<NextToken>& tokens);

// The ids of a text as `hew next` and `hew generate` take it: with BOS where the model's tokenizer adds one.
std::vector<int32_t> PromptIds(const Tokenizer& tokenizer, std::string_view text);

// The k likeliest next tokens after ids, likeliest first. Errors: as NextTokens.
Result<std::vector<LikelyToken>> NextWords(const Engine& engine, const std::vector<int32_t>& ids, int64_t k);

// What the model says after ids when it always takes the likeliest token; without special tokens.
Result<std::string> GreedyText(const Engine& engine, const std::vector<int32_t>& ids, int64_t max_tokens);

Json ToJson(const LikelyToken& token);                // {"id", "text", "logprob", "probability"}
Json ToJson(const std::vector<LikelyToken>& tokens);  // a list of them

}  // namespace hew
