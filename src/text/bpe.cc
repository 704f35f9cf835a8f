#include "text/bpe.h"

#include <algorithm>
#include <queue>

namespace hew {
namespace {

constexpr size_t kShortWord = 48;  // below this, scanning all pairs again beats a heap

}  // namespace

void Bpe::Finish() {
  for (int byte = 0; byte < 256; ++byte) {
    const auto at = ids_.find(std::string(1, static_cast<char>(byte)));
    byte_ids_[static_cast<size_t>(byte)] = at == ids_.end() ? -1 : at->second;
  }
}

bool Bpe::AddMerge(std::string_view left, std::string_view right, int32_t rank) {
  const std::string joined = std::string(left) + std::string(right);
  const auto l = ids_.find(std::string(left)), r = ids_.find(std::string(right)), both = ids_.find(joined);
  if (l == ids_.end() || r == ids_.end() || both == ids_.end()) return false;
  merges_.try_emplace(static_cast<uint64_t>(static_cast<uint32_t>(l->second)) << 32 | static_cast<uint32_t>(r->second),
                      Merge{rank, both->second});
  return true;
}

void Bpe::Encode(std::string_view word, std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    if (const auto at = ids_.find(std::string(word)); at != ids_.end()) {
      ids->push_back(at->second);
      return;
    }
  }
  if (word.size() <= kShortWord) {
    EncodeShort(word, ids);
  } else {
    EncodeLong(word, ids);
  }
}

void Bpe::EncodeShort(std::string_view word, std::vector<int32_t>* ids) const {
  int32_t symbols[kShortWord];
  size_t count = 0;
  for (unsigned char byte : word) {
    if (byte_ids_[byte] >= 0) symbols[count++] = byte_ids_[byte];
  }
  for (;;) {
    const Merge* best = nullptr;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < count; ++i) {
      const Merge* merge = FindMerge(symbols[i], symbols[i + 1]);
      if (merge && (!best || merge->rank < best->rank)) {
        best = merge;
        best_at = i;
      }
    }
    if (!best) break;
    symbols[best_at] = best->id;
    std::copy(symbols + best_at + 2, symbols + count, symbols + best_at + 1);
    --count;
  }
  ids->insert(ids->end(), symbols, symbols + count);
}

void Bpe::EncodeLong(std::string_view word, std::vector<int32_t>* ids) const {
  struct Symbol {
    int32_t id, previous, next;  // id -1: merged away
  };
  struct Candidate {
    int32_t rank, at, left, right, id;  // stale unless the symbols at `at` still are left and right
    bool operator<(const Candidate& other) const { return rank > other.rank || (rank == other.rank && at > other.at); }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (unsigned char byte : word) {
    if (byte_ids_[byte] < 0) continue;
    const auto at = static_cast<int32_t>(symbols.size());
    symbols.push_back({byte_ids_[byte], at - 1, at + 1});
  }
  if (symbols.empty()) return;
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
