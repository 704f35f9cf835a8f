#include "infer/grammar_graph.h"

#include <algorithm>

#include "base/check.h"

namespace hew {

using Kind = GrammarNode::Kind;

NodeId GrammarGraph::Add(GrammarNode node) {
  nodes.push_back(node);
  return static_cast<NodeId>(nodes.size()) - 1;
}

NodeId GrammarGraph::Byte(uint8_t low, uint8_t high, NodeId next) {
  return Add({.kind = Kind::kByte, .low = low, .high = high, .next = next});
}

NodeId GrammarGraph::Literal(std::string_view text, NodeId next) {
  for (size_t i = text.size(); i-- > 0;)
    next = Byte(static_cast<uint8_t>(text[i]), static_cast<uint8_t>(text[i]), next);
  return next;
}

NodeId GrammarGraph::OneOf(std::string_view bytes, NodeId next) {
  std::vector<NodeId> each;
  for (const char c : bytes) each.push_back(Literal({&c, 1}, next));
  return Either(each);
}

NodeId GrammarGraph::Either(const std::vector<NodeId>& list) {
  const auto first = static_cast<int32_t>(targets.size());
  targets.insert(targets.end(), list.begin(), list.end());
  return Add({.kind = Kind::kSplit, .first = first, .end = static_cast<int32_t>(targets.size())});
}

NodeId GrammarGraph::Call(NodeId callee, NodeId next, int32_t of_names) {
  return Add({.kind = Kind::kCall, .next = next, .callee = callee, .names = of_names});
}

NodeId GrammarGraph::String(int32_t min, int32_t max, bool name, NodeId next) {
  return Add({.kind = Kind::kString, .name = name, .next = next, .min = min, .max = max});
}

NodeId GrammarGraph::Space(NodeId next) { return Add({.kind = Kind::kSpace, .next = next}); }

NodeId GrammarGraph::Digits(int32_t min, int32_t max, NodeId next) {
  return max == 0 ? next : Add({.kind = Kind::kDigits, .next = next, .min = min, .max = max});
}

NodeId GrammarGraph::NextItem(NodeId next, int32_t most) {
  return Add({.kind = Kind::kNextItem, .next = next, .max = most});
}

NodeId GrammarGraph::Guard(int32_t min, int32_t max, NodeId next) {
  return Add({.kind = Kind::kGuard, .next = next, .min = min, .max = max});
}

NodeId GrammarGraph::Return() { return Add({.kind = Kind::kReturn}); }

NodeId GrammarGraph::Accept() { return Add({.kind = Kind::kAccept}); }

void GrammarGraph::Resolve(NodeId later, NodeId target) {
  GrammarNode& node = nodes[static_cast<size_t>(later)];
  HEW_CHECK(node.kind == Kind::kSplit && node.first == node.end);
  node.first = static_cast<int32_t>(targets.size());
  targets.push_back(target);
  node.end = node.first + 1;
}

void GrammarGraph::SetHeights() {
  for (GrammarNode& node : nodes) node.height = kNever;
  const auto height = [&](const GrammarNode& node) -> int32_t {
    switch (node.kind) {
      case Kind::kReturn:
      case Kind::kAccept:
        return 0;
      case Kind::kSplit: {
        int32_t least = kNever;
        for (int32_t i = node.first; i < node.end; ++i)
          least = std::min(least, at(targets[static_cast<size_t>(i)]).height);
        return least;
      }
      case Kind::kCall:
        return std::min(kNever, std::max(1 + at(node.callee).height, at(node.next).height));
      default:
        return at(node.next).height;
    }
  };
  for (bool changed = true; changed;) {  // parts follow what they lead to, but for loops
    changed = false;
    for (GrammarNode& node : nodes) {
      const int32_t now = height(node);
      changed = changed || now != node.height;
      node.height = now;
    }
  }
}

}  // namespace hew
