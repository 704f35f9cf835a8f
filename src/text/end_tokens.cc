#include "text/end_tokens.h"

#include <algorithm>

#include "formats/end_of_turn.h"

namespace hew {

void EndTokens::AddNamed(std::string_view token, int32_t id) {
  if (!EndsTurn(token)) return;
  AddId(id);
  if (token == "<|end|>") end_ = id;
  returns_ = returns_ || token == "<|return|>";
  calls_ = calls_ || token == "<|call|>" || token == "<|calls|>";
  flushes_ = flushes_ || token == "<|flush|>";
}

void EndTokens::AddId(std::optional<int32_t> id) {
  if (id) ids_.push_back(*id);
}

std::vector<int32_t> EndTokens::Ids() const {
  std::vector<int32_t> ids = ids_;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  // In the vocabularies that mark the end of an answer apart (gpt-oss, solar), <|end|> only closes one of its parts.
  if (end_ && calls_ && (returns_ || flushes_)) std::erase(ids, *end_);
  return ids;
}

}  // namespace hew
