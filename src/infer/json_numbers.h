// Numbers of JSON within bounds, as a grammar of digits.
#pragma once

#include <cstdint>

#include "infer/grammar_graph.h"

namespace hew {

inline constexpr int64_t kMostInteger = 9'999'999'999'999'999;  // 16 digits: every reader holds them

// Whole numbers from low to high, both within +-kMostInteger; none: a dead end.
NodeId IntegerNodes(GrammarGraph& graph, int64_t low, int64_t high, NodeId next);
// Any number: sign, up to 16 digits, fraction, exponent of two digits.
NodeId NumberNodes(GrammarGraph& graph, NodeId next);
// Numbers between two whole bounds, each part of the range or not, with a fraction of up to 8 digits.
struct NumberBound {
  int64_t value = 0;
  bool open = false;  // the bound itself is outside
};
NodeId BoundedNumberNodes(GrammarGraph& graph, NumberBound low, NumberBound high, NodeId next);

}  // namespace hew
