#include "text/bpe.h"

#include <algorithm>
#include <queue>

#include "text/byte_level.h"
#include "text/unicode.h"

namespace hew {
namespace {

constexpr size_t kFewSymbols = 48;  // below this, scanning all pairs again beats a heap

}  // namespace

void Bpe::Finish() {
  for (int value = 0; value < 256; ++value) {
    const auto byte = static_cast<uint8_t>(value);
    const auto at =
        ids_.find(alphabet_ == Alphabet::kBytes ? std::string(1, static_cast<char>(byte)) : ByteTokenSpelling(byte));
    byte_ids_[byte] = at == ids_.end() ? -1 : at->second;
  }
}

bool Bpe::AddMerge(std::string_view left, std::string_view right, int32_t rank) {
  const std::string joined = std::string(left) + std::string(right);
  const auto l = ids_.find(left), r = ids_.find(right), both = ids_.find(joined);
  if (l == ids_.end() || r == ids_.end() || both == ids_.end()) return false;
  merges_.try_emplace(static_cast<uint64_t>(static_cast<uint32_t>(l->second)) << 32 | static_cast<uint32_t>(r->second),
                      Merge{rank, both->second});
  return true;
}

std::optional<int32_t> Bpe::Find(std::string_view spelling) const {
  const auto bytes =
      alphabet_ == Alphabet::kBytes ? BytesFromByteLevel(spelling) : std::optional(std::string(spelling));
  const auto at = bytes ? ids_.find(*bytes) : ids_.end();
  return at == ids_.end() ? std::nullopt : std::optional(at->second);
}

void Bpe::Symbols(std::string_view word, std::vector<int32_t>* symbols) const {
  if (alphabet_ == Alphabet::kBytes) {
    for (unsigned char byte : word) {
      if (byte_ids_[byte] >= 0) symbols->push_back(byte_ids_[byte]);
    }
    return;
  }
  bool after_unknown = false;
  for (size_t at = 0, bytes = 0; at < word.size(); at += bytes) {
    bytes = CharacterAt(word, at).bytes;
    const std::string_view character = word.substr(at, bytes);
    if (const auto found = ids_.find(character); found != ids_.end()) {
      symbols->push_back(found->second);
      after_unknown = false;
      continue;
    }
    const auto has_token = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] >= 0; };
    if (byte_fallback_ && std::all_of(character.begin(), character.end(), has_token)) {
      for (unsigned char byte : character) symbols->push_back(byte_ids_[byte]);
      after_unknown = false;
    } else if (unknown_ && !(after_unknown && fuse_unknown_)) {
      symbols->push_back(*unknown_);
      after_unknown = true;
    }
  }
}

void Bpe::Encode(std::string_view word, std::vector<int32_t>* ids) const {
  if (ignore_merges_ || (whole_newlines_ && word.find_first_not_of('\n') == std::string_view::npos)) {
    if (const auto at = ids_.find(word); at != ids_.end()) {
      ids->push_back(at->second);
      return;
    }
  }
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  Symbols(word, &symbols);
  if (symbols.size() <= kFewSymbols) {
    MergeFew(&symbols);
    ids->insert(ids->end(), symbols.begin(), symbols.end());
  } else {
    MergeMany(symbols, ids);
  }
}

void Bpe::MergeFew(std::vector<int32_t>* symbols) const {
  for (;;) {
    const Merge* best = nullptr;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < symbols->size(); ++i) {
      const Merge* merge = FindMerge((*symbols)[i], (*symbols)[i + 1]);
      if (merge && (!best || merge->rank < best->rank)) {
        best = merge;
        best_at = i;
      }
    }
    if (!best) return;
    (*symbols)[best_at] = best->id;
    symbols->erase(symbols->begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

void Bpe::MergeMany(const std::vector<int32_t>& word, std::vector<int32_t>* ids) const {
  struct Symbol {
    int32_t id, previous, next;  // id -1: merged away
  };
  struct Candidate {
    int32_t rank, at, left, right, id;  // stale unless the symbols at `at` still are left and right
    bool operator<(const Candidate& other) const { return rank > other.rank || (rank == other.rank && at > other.at); }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (const int32_t id : word) {
    const auto at = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
  }
  symbols.back().next = -1;

  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t at) -> const Merge* {
    const int32_t next = symbols[static_cast<size_t>(at)].next;
    return next < 0 ? nullptr : FindMerge(symbols[static_cast<size_t>(at)].id, symbols[static_cast<size_t>(next)].id);
  };
  const auto make = [&](int32_t at, const Merge& merge) {
    const Symbol& s = symbols[static_cast<size_t>(at)];
    return Candidate{merge.rank, at, s.id, symbols[static_cast<size_t>(s.next)].id, merge.id};
  };
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (const Merge* merge = candidate(static_cast<int32_t>(i)))
      initial.push_back(make(static_cast<int32_t>(i), *merge));
  }
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(top.at)];
    if (left.id != top.left || left.next < 0 || symbols[static_cast<size_t>(left.next)].id != top.right) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = top.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = top.at;
    if (const Merge* merge = candidate(top.at)) queue.push(make(top.at, *merge));
    if (left.previous >= 0) {
      if (const Merge* merge = candidate(left.previous)) queue.push(make(left.previous, *merge));
    }
  }
  for (int32_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next)
    ids->push_back(symbols[static_cast<size_t>(at)].id);
}

}  // namespace hew
