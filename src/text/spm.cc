#include "text/spm.h"

#include <algorithm>
#include <queue>

#include "text/unicode.h"

namespace hew {
namespace {

struct Symbol {
  uint32_t begin, bytes;  // bytes 0: joined to the one before
  int32_t previous, next;
};

struct Candidate {
  float score;
  int32_t left, right;
  uint32_t bytes;  // of both; stale unless they still have as many
  bool operator<(const Candidate& other) const {
    return score < other.score || (score == other.score && left > other.left);
  }
};

}  // namespace

void Spm::AddToken(std::string spelling, int32_t id, float score) {
  longest_ = std::max(longest_, spelling.size());
  tokens_.emplace(std::move(spelling), Token{id, score});
}

std::optional<int32_t> Spm::Find(std::string_view spelling) const {
  if (const Token* token = FindToken(spelling)) return token->id;
  const auto byte = ByteOfToken(spelling);
  return byte && byte_ids_[*byte] >= 0 ? std::optional(byte_ids_[*byte]) : std::nullopt;
}

void Spm::Append(std::string_view text, std::vector<int32_t>* ids) const {
  if (const Token* token = FindToken(text)) return ids->push_back(token->id);
  for (unsigned char byte : text) {
    if (byte_ids_[byte] >= 0) {
      ids->push_back(byte_ids_[byte]);
    } else if (unknown_) {
      ids->push_back(*unknown_);
    }
  }
}

void Spm::Encode(std::string_view word, std::vector<int32_t>* ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = CharacterAt(word, at).bytes;
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(bytes), index - 1, index + 1});
    at += bytes;
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  const auto symbol = [&](int32_t i) -> Symbol& { return symbols[static_cast<size_t>(i)]; };

  std::vector<Candidate> initial;
  const auto consider = [&](int32_t left, int32_t right, auto push) {
    if (left < 0 || right < 0) return;
    const uint32_t bytes = symbol(left).bytes + symbol(right).bytes;
    if (const Token* token = FindToken(word.substr(symbol(left).begin, bytes)))
      push(Candidate{token->score, left, right, bytes});
  };
  for (size_t i = 1; i < symbols.size(); ++i) {
    const auto right = static_cast<int32_t>(i);
    consider(right - 1, right, [&](const Candidate& c) { initial.push_back(c); });
  }
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));
  const auto push = [&](const Candidate& c) { queue.push(c); };
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbol(top.left);
    Symbol& right = symbol(top.right);
    if (left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != top.bytes) continue;
    left.bytes = top.bytes;
    right.bytes = 0;
    left.next = right.next;
    if (right.next >= 0) symbol(right.next).previous = top.left;
    consider(left.previous, top.left, push);
    consider(top.left, left.next, push);
  }
  for (int32_t at = 0; at >= 0; at = symbol(at).next) Append(word.substr(symbol(at).begin, symbol(at).bytes), ids);
}

}  // namespace hew
