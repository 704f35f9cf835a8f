#include "text/trie.h"

#include <algorithm>

namespace hew {

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> words) : nodes_(1) {
  std::stable_sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // Level by level: each open node has the words that begin with it.
  struct Open {
    uint32_t node;
    size_t begin, end, depth;
  };
  std::vector<Open> open = {{0, 0, words.size(), 0}}, next;
  while (!open.empty()) {
    next.clear();
    for (const Open& o : open) {
      size_t at = o.begin;
      while (at < o.end && words[at].first.size() == o.depth) {
        if (o.depth > 0 && nodes_[o.node].value < 0) nodes_[o.node].value = words[at].second;
        ++at;
      }
      nodes_[o.node].first = static_cast<uint32_t>(nodes_.size());
      while (at < o.end) {
        const char byte = words[at].first[o.depth];
        const size_t begin = at;
        while (at < o.end && words[at].first[o.depth] == byte) ++at;
        next.push_back({static_cast<uint32_t>(nodes_.size()), begin, at, o.depth + 1});
        Node child;
        child.byte = static_cast<uint8_t>(byte);
        nodes_.push_back(child);
        ++nodes_[o.node].children;
      }
    }
    open.swap(next);
  }
}

uint32_t Trie::Child(uint32_t node, uint8_t byte) const {
  const auto begin = nodes_.begin() + nodes_[node].first, end = begin + nodes_[node].children;
  const auto at = std::lower_bound(begin, end, byte, [](const Node& n, uint8_t b) { return n.byte < b; });
  return at != end && at->byte == byte ? static_cast<uint32_t>(at - nodes_.begin()) : 0;
}

}  // namespace hew
