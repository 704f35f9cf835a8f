// A grammar of bytes as a graph: what may come next, with calls for what nests. Built from its end: every part is told
// what follows it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace hew {

using NodeId = int32_t;

struct GrammarNode {
  enum class Kind : uint8_t {
    kByte,      // one byte of [low, high]
    kSplit,     // any of targets[first, end)
    kCall,      // `callee`, which counts items and field names of its own, then next
    kReturn,    // to behind the call
    kString,    // the rest of a string of min to max characters, with its closing quote
    kSpace,     // nothing, a space, or a new line with indentation
    kDigits,    // min to max digits
    kNextItem,  // counts an item
    kGuard,     // goes on if min to max items are counted
    kAccept,    // the end
  };
  Kind kind = Kind::kSplit;
  uint8_t low = 0, high = 0;
  bool name = false;  // kString: the name of a field, without escapes, none twice in an object
  NodeId next = -1, callee = -1;
  int32_t first = 0, end = 0;
  int32_t min = 0, max = 0;
  int32_t names = -1;   // kCall: index of the field names that the callee may not use again
  int32_t height = -1;  // calls inside one another that it takes at least to return from here; see SetHeights
};

class GrammarGraph {
 public:
  static constexpr int32_t kUnbounded = std::numeric_limits<int32_t>::max();
  static constexpr int32_t kNever = std::numeric_limits<int32_t>::max() / 2;  // height of what never ends
  static constexpr int32_t kMostDepth = 64;                                   // of calls
  static constexpr int kMostIndent = 24;

  NodeId Byte(uint8_t low, uint8_t high, NodeId next);
  NodeId Literal(std::string_view text, NodeId next);
  NodeId OneOf(std::string_view bytes, NodeId next);
  NodeId Either(const std::vector<NodeId>& targets);  // none: a dead end
  NodeId Call(NodeId callee, NodeId next, int32_t names = -1);
  NodeId String(int32_t min, int32_t max, bool name, NodeId next);
  NodeId Space(NodeId next);
  NodeId Digits(int32_t min, int32_t max, NodeId next);
  NodeId NextItem(NodeId next, int32_t most);  // counts no further than `most`
  NodeId Guard(int32_t min, int32_t max, NodeId next);
  NodeId Return();
  NodeId Accept();

  // A node whose targets come later: for what contains itself.
  NodeId Later() { return Either({}); }
  void Resolve(NodeId later, NodeId target);

  int32_t AddNames(std::vector<std::string> list) {
    names.push_back(std::move(list));
    return static_cast<int32_t>(names.size()) - 1;
  }

  // Fills in `height` of every node.
  void SetHeights();

  const GrammarNode& at(NodeId id) const { return nodes[static_cast<size_t>(id)]; }

  std::vector<GrammarNode> nodes;
  std::vector<NodeId> targets;
  std::vector<std::vector<std::string>> names;
  NodeId start = -1;

 private:
  NodeId Add(GrammarNode node);
};

}  // namespace hew
