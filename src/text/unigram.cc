#include "text/unigram.h"

#include <algorithm>

#include "text/unicode.h"

namespace hew {
namespace {

constexpr int32_t kNone = -2, kUnknown = -1;

Trie TrieOf(const std::vector<Unigram::Token>& tokens) {
  std::vector<std::pair<std::string_view, int32_t>> words;
  words.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) words.emplace_back(tokens[i].spelling, static_cast<int32_t>(i));
  return Trie(std::move(words));
}

}  // namespace

Unigram::Unigram(std::vector<Token> tokens, int32_t unknown, double unknown_score, std::vector<int32_t> bytes)
    : tokens_(std::move(tokens)),
      trie_(TrieOf(tokens_)),
      unknown_(unknown),
      unknown_score_(unknown_score),
      bytes_(std::move(bytes)) {
  ids_.reserve(tokens_.size());
  for (const Token& token : tokens_) ids_.emplace(token.spelling, token.id);
}

std::optional<int32_t> Unigram::Find(std::string_view spelling) const {
  const auto at = ids_.find(spelling);
  return at == ids_.end() ? std::nullopt : std::optional(at->second);
}

void Unigram::Encode(std::string_view word, std::vector<int32_t>* ids) const {
  // best[i]: the best way to cut the first i bytes.
  struct Best {
    double score = 0;
    size_t begin = 0;       // of its last token
    int32_t token = kNone;  // a position in tokens_
  };
  std::vector<Best> best(word.size() + 1);
  const auto offer = [&](size_t begin, size_t end, int32_t token, double score) {
    if (best[end].token == kNone || score > best[end].score) best[end] = {score, begin, token};
  };
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = CharacterAt(word, at).bytes;
    bool whole_character = false;
    trie_.ForEachPrefix(word.substr(at), [&](size_t size, int32_t token) {
      whole_character = whole_character || size == bytes;
      offer(at, at + size, token, best[at].score + tokens_[static_cast<size_t>(token)].score);
    });
    if (!whole_character) offer(at, at + bytes, kUnknown, best[at].score + unknown_score_);
    at += bytes;
  }
  std::vector<std::pair<size_t, int32_t>> cuts;  // begin, token: from the end
  for (size_t end = word.size(); end > 0; end = best[end].begin) cuts.emplace_back(best[end].begin, best[end].token);
  std::reverse(cuts.begin(), cuts.end());
  for (size_t i = 0; i < cuts.size(); ++i) {
    const auto [begin, token] = cuts[i];
    if (token != kUnknown) {
      ids->push_back(tokens_[static_cast<size_t>(token)].id);
    } else if (!bytes_.empty()) {
      const size_t end = i + 1 < cuts.size() ? cuts[i + 1].first : word.size();
      for (size_t at = begin; at < end; ++at) ids->push_back(bytes_[static_cast<unsigned char>(word[at])]);
    } else if (i == 0 || cuts[i - 1].second != kUnknown) {
      ids->push_back(unknown_);
    }
  }
}

}  // namespace hew
