#include "infer/json_numbers.h"

#include <algorithm>
#include <string>

namespace hew {
namespace {

constexpr int32_t kFractionDigits = 8;

// Numbers of as many digits as `low` and `high` have, between them.
NodeId SameLength(GrammarGraph& graph, const std::string& low, const std::string& high, NodeId next) {
  if (low.empty()) return next;
  const auto count = static_cast<int32_t>(low.size());
  if (low == std::string(low.size(), '0') && high == std::string(high.size(), '9'))
    return graph.Digits(count, count, next);
  const auto digit = [](char c) { return static_cast<uint8_t>(c); };
  const std::string zeros(low.size() - 1, '0'), nines(low.size() - 1, '9');
  if (low[0] == high[0]) {
    return graph.Byte(digit(low[0]), digit(low[0]), SameLength(graph, low.substr(1), high.substr(1), next));
  }
  std::vector<NodeId> ways = {
      graph.Byte(digit(low[0]), digit(low[0]), SameLength(graph, low.substr(1), nines, next)),
      graph.Byte(digit(high[0]), digit(high[0]), SameLength(graph, zeros, high.substr(1), next))};
  if (high[0] - low[0] > 1) {
    const auto first = static_cast<uint8_t>(low[0] + 1), last = static_cast<uint8_t>(high[0] - 1);
    ways.push_back(graph.Byte(first, last, SameLength(graph, zeros, nines, next)));
  }
  return graph.Either(ways);
}

// 0 <= low.
NodeId Magnitudes(GrammarGraph& graph, int64_t low, int64_t high, NodeId next) {
  std::vector<NodeId> ways;
  for (int64_t first = 0, last = 9; low <= high && first <= high; first = last + 1, last = last * 10 + 9) {
    const int64_t from = std::max(low, first), to = std::min(high, last);
    if (from <= to) ways.push_back(SameLength(graph, std::to_string(from), std::to_string(to), next));
  }
  return graph.Either(ways);
}

// Numbers from low (0 or more) to high with a fraction or without.
NodeId MagnitudesWithFraction(GrammarGraph& graph, NumberBound low, NumberBound high, NodeId next) {
  if (low.value > high.value || (low.value == high.value && (low.open || high.open))) return graph.Either({});
  const NodeId fraction = graph.Either({next, graph.Byte('.', '.', graph.Digits(1, kFractionDigits, next))});
  std::vector<NodeId> ways;
  int64_t first = low.value;
  if (low.open && low.value < high.value) {  // the bound itself with a fraction that is not zero
    NodeId more = graph.Byte('1', '9', next);
    for (int32_t i = 1; i < kFractionDigits; ++i) {
      more = graph.Either({graph.Byte('1', '9', graph.Digits(0, i, next)), graph.Byte('0', '0', more)});
    }
    ways.push_back(Magnitudes(graph, low.value, low.value, graph.Byte('.', '.', more)));
    ++first;
  }
  if (first < high.value) ways.push_back(Magnitudes(graph, first, high.value - 1, fraction));
  if (!high.open) ways.push_back(Magnitudes(graph, high.value, high.value, next));
  return graph.Either(ways);
}

}  // namespace

NodeId IntegerNodes(GrammarGraph& graph, int64_t low, int64_t high, NodeId next) {
  std::vector<NodeId> ways = {Magnitudes(graph, std::max<int64_t>(0, low), high, next)};
  if (low < 0) ways.push_back(graph.Byte('-', '-', Magnitudes(graph, std::max<int64_t>(1, -high), -low, next)));
  return graph.Either(ways);
}

NodeId NumberNodes(GrammarGraph& graph, NodeId next) {
  const NodeId power = graph.Digits(1, 2, next);
  const NodeId exponent = graph.Either({next, graph.OneOf("eE", graph.Either({power, graph.OneOf("+-", power)}))});
  const NodeId fraction = graph.Either({exponent, graph.Byte('.', '.', graph.Digits(1, 16, exponent))});
  const NodeId whole =
      graph.Either({graph.Byte('0', '0', fraction), graph.Byte('1', '9', graph.Digits(0, 15, fraction))});
  return graph.Either({whole, graph.Byte('-', '-', whole)});
}

NodeId BoundedNumberNodes(GrammarGraph& graph, NumberBound low, NumberBound high, NodeId next) {
  std::vector<NodeId> ways;
  if (high.value >= 0) {
    const NumberBound from = low.value >= 0 ? low : NumberBound{0, false};
    ways.push_back(MagnitudesWithFraction(graph, from, high, next));
  }
  if (low.value < 0) {
    const NumberBound from = high.value <= 0 ? NumberBound{-high.value, high.open} : NumberBound{0, false};
    ways.push_back(graph.Byte('-', '-', MagnitudesWithFraction(graph, from, {-low.value, low.open}, next)));
  }
  return graph.Either(ways);
}

}  // namespace hew
