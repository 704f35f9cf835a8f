// Which of many words a text begins with.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace hew {

class Trie {
 public:
  // Of two equal words the first counts; empty ones are left out. The views need not live on.
  explicit Trie(std::vector<std::pair<std::string_view, int32_t>> words = {});

  // Calls fn(bytes, value) for each word that `text` begins with, the shortest first.
  template <typename Fn>
  void ForEachPrefix(std::string_view text, Fn fn) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (nodes_[node].value >= 0) fn(i + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    int32_t value = -1;  // of the word that ends here; -1: none
    uint32_t first = 0;  // its children lie side by side, by byte
    uint16_t children = 0;
    uint8_t byte = 0;
  };
  uint32_t Child(uint32_t node, uint8_t byte) const;  // 0: none

  std::vector<Node> nodes_;  // 0 is the root
};

}  // namespace hew
