#include "http/token_json.h"

#include <algorithm>
#include <cmath>

#include "base/shown.h"

namespace hew {
namespace {

Json Bytes(const std::string& text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

Json ChatToken(const Tokenizer& tokenizer, int32_t id, double logprob) {
  return {{"token", TokenText(tokenizer, id)},
          {"logprob", FiniteLogprob(logprob)},
          {"bytes", Bytes(tokenizer.TokenBytes(id, true))}};
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string TokenText(const Tokenizer& tokenizer, int32_t id) {
  std::string bytes = tokenizer.TokenBytes(id, true);
  if (FindInvalidUtf8(bytes) == std::string::npos) return bytes;
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text;
}

double FiniteLogprob(double logprob) { return std::isfinite(logprob) ? logprob : -9999.0; }

Json ChatLogprobs(const Tokenizer& tokenizer, const std::vector<TokenChoice>& tokens, int64_t top) {
  const auto& ends = tokenizer.end_ids();
  Json content = Json::array();
  for (const auto& choice : tokens) {
    if (std::find(ends.begin(), ends.end(), choice.id) != ends.end()) continue;
    Json token = ChatToken(tokenizer, choice.id, choice.logprob);
    token["top_logprobs"] = Json::array();
    for (size_t i = 0; i < choice.top.size() && static_cast<int64_t>(i) < top; ++i)
      token["top_logprobs"].push_back(ChatToken(tokenizer, choice.top[i].id, choice.top[i].logprob));
    content.push_back(std::move(token));
  }
  return content;
}

void CompletionLogprobs::AddToken(int32_t id) {
  tokens_.push_back(TokenText(tokenizer_, id));
  offsets_.push_back(characters_);
  characters_ += Characters(tokenizer_.TokenBytes(id, true));
}

void CompletionLogprobs::AddFirst(int32_t id) {
  AddToken(id);
  logprobs_.push_back(nullptr);
  tops_.push_back(nullptr);
}

void CompletionLogprobs::Add(const std::vector<TokenChoice>& tokens) {
  for (const auto& choice : tokens) {
    AddToken(choice.id);
    logprobs_.push_back(FiniteLogprob(choice.logprob));
    Json top = Json::object();
    // Two tokens of one text are one key: the likelier one has it, so that the largest value is the arg-max's.
    for (size_t i = 0; i < choice.top.size() && static_cast<int64_t>(i) < top_; ++i)
      top.emplace(TokenText(tokenizer_, choice.top[i].id), FiniteLogprob(choice.top[i].logprob));
    top.emplace(TokenText(tokenizer_, choice.id), FiniteLogprob(choice.logprob));
    tops_.push_back(std::move(top));
  }
}

Json CompletionLogprobs::Take() {
  Json out = {{"tokens", std::exchange(tokens_, Json::array())},
              {"token_logprobs", std::exchange(logprobs_, Json::array())},
              {"top_logprobs", std::exchange(tops_, Json::array())},
              {"text_offset", std::exchange(offsets_, Json::array())}};
  return out;
}

}  // namespace hew
