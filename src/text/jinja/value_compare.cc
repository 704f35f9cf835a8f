// Equality, order and membership, as Python has them.
#include <algorithm>

#include "text/jinja/unicode.h"
#include "text/jinja/value.h"

namespace hew::jinja {
namespace {

// long double holds every int64 and every double on the machines that Hew runs on, or at worst rounds as a double.
std::partial_ordering OrderNumbers(const Value& a, const Value& b) {
  if (a.IsIntegral() && b.IsIntegral()) return a.AsInt() <=> b.AsInt();
  const auto wide = [](const Value& v) {
    return v.IsIntegral() ? static_cast<long double>(v.AsInt()) : static_cast<long double>(v.AsDouble());
  };
  return wide(a) <=> wide(b);
}

Result<bool> EqualSequences(const Sequence& a, const Sequence& b, Budget* budget) {
  if (&a == &b) return true;
  if (a.type != b.type || a.items.size() != b.items.size() || a.type == Sequence::Type::kIterator ||
      a.type == Sequence::Type::kValues) {
    return false;
  }
  for (size_t i = 0; i < a.items.size(); ++i) {
    HEW_ASSIGN(const bool same, Equal(a.items[i], b.items[i], budget));
    if (!same) return false;
  }
  return true;
}

Result<bool> EqualDicts(const Dict& a, const Dict& b, Budget* budget) {
  if (&a == &b) return true;
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    HEW_ASSIGN(const Value* other, b.Find(key));
    if (other == nullptr) return false;
    HEW_ASSIGN(const bool same, Equal(value, *other, budget));
    if (!same) return false;
  }
  return true;
}

}  // namespace

Result<bool> Equal(const Value& a, const Value& b, Budget* budget) {
  HEW_RETURN_IF_ERROR(budget->Charge(1));
  if (a.IsNumber() && b.IsNumber()) return OrderNumbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kText:
      HEW_RETURN_IF_ERROR(budget->ChargeScan(std::min(a.AsText().size(), b.AsText().size())));
      return a.AsText() == b.AsText();
    case Kind::kSequence:
      return EqualSequences(a.AsSequence(), b.AsSequence(), budget);
    case Kind::kDict:
      return EqualDicts(a.AsDict(), b.AsDict(), budget);
    default:
      return a.SameAs(b);
  }
}

Result<std::partial_ordering> Order(const Value& a, const Value& b, Budget* budget) {
  HEW_RETURN_IF_ERROR(budget->Charge(1));
  if (a.IsNumber() && b.IsNumber()) return OrderNumbers(a, b);
  if (a.Is(Kind::kUndefined)) return BadInput("{}", a.UndefinedMessage());
  if (b.Is(Kind::kUndefined)) return BadInput("{}", b.UndefinedMessage());
  if (a.Is(Kind::kText) && b.Is(Kind::kText)) {
    HEW_RETURN_IF_ERROR(budget->ChargeScan(std::min(a.AsText().size(), b.AsText().size())));
    return std::partial_ordering(a.AsText().compare(b.AsText()) <=> 0);  // UTF-8 keeps the order of code points
  }
  if (a.Is(Kind::kSequence) && b.Is(Kind::kSequence)) {
    const Sequence& x = a.AsSequence();
    const Sequence& y = b.AsSequence();
    if (x.type == y.type && (x.type == Sequence::Type::kList || x.type == Sequence::Type::kTuple)) {
      for (size_t i = 0; i < x.items.size() && i < y.items.size(); ++i) {
        HEW_ASSIGN(const bool same, Equal(x.items[i], y.items[i], budget));
        if (!same) return Order(x.items[i], y.items[i], budget);
      }
      return std::partial_ordering(x.items.size() <=> y.items.size());
    }
  }
  return BadInput("'{}' and '{}' have no order", TypeName(a), TypeName(b));
}

Result<bool> Contains(const Value& haystack, const Value& needle, Budget* budget) {
  if (haystack.Is(Kind::kText)) {
    if (!needle.Is(Kind::kText)) {
      return BadInput("'in <string>' requires string as left operand, not {}", TypeName(needle));
    }
    HEW_RETURN_IF_ERROR(budget->ChargeScan(haystack.AsText().size()));
    return FindText(haystack.AsText(), needle.AsText()) != std::string_view::npos;
  }
  if (haystack.Is(Kind::kDict)) {
    if (needle.Is(Kind::kText)) HEW_RETURN_IF_ERROR(budget->ChargeScan(needle.AsText().size()));
    HEW_ASSIGN(const Value* found, haystack.AsDict().Find(needle));
    return found != nullptr;
  }
  if (!haystack.Is(Kind::kSequence)) {
    if (haystack.Is(Kind::kUndefined)) return false;
    return BadInput("argument of type '{}' is not iterable", TypeName(haystack));
  }
  Sequence& sequence = haystack.AsSequence();
  const bool once = sequence.type == Sequence::Type::kIterator;
  for (size_t i = once ? sequence.consumed : 0; i < sequence.items.size(); ++i) {
    if (once) sequence.consumed = i + 1;
    HEW_ASSIGN(const bool same, Equal(sequence.items[i], needle, budget));
    if (same) return true;
  }
  return false;
}

}  // namespace hew::jinja
