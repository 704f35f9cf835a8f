#include "studio/understand/next.h"

#include <cmath>

namespace hew {

double LikelyToken::probability() const { return std::exp(logprob); }

std::vector<LikelyToken> Spell(const Tokenizer& tokenizer, const std::vector<NextToken>& tokens) {
  std::vector<LikelyToken> likely;
  for (const NextToken& t : tokens) likely.push_back({t.id, tokenizer.TokenBytes(t.id, true), t.logprob});
  return likely;
}

std::vector<int32_t> PromptIds(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.Encode(text, {.add_special = true});
}

Result<std::vector<LikelyToken>> NextWords(const Engine& engine, const std::vector<int32_t>& ids, int64_t k) {
  HEW_ASSIGN(const auto next, NextTokens(engine, ids, k));
  return Spell(*engine.tokenizer, next);
}

Result<std::string> GreedyText(const Engine& engine, const std::vector<int32_t>& ids, int64_t max_tokens) {
  GenerateRequest request;
  request.prompt = ids;
  request.sampling.temperature = 0;
  request.max_tokens = max_tokens;
  HEW_ASSIGN(const auto result, Generator(engine).Generate(request));
  return result.text;
}

Json ToJson(const LikelyToken& t) {
  return {{"id", t.id}, {"text", t.text}, {"logprob", t.logprob}, {"probability", t.probability()}};
}

Json ToJson(const std::vector<LikelyToken>& tokens) {
  Json list = Json::array();
  for (const auto& t : tokens) list.push_back(ToJson(t));
  return list;
}

}  // namespace hew
