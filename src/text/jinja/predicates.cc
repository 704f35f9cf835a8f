#include "text/jinja/predicates.h"

#include <cmath>

#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

bool IsSequence(const Value& v) {
  return v.Is(Kind::kText) || v.Is(Kind::kDict) || v.Is(Kind::kUndefined) ||
         (v.Is(Kind::kSequence) && v.AsSequence().Indexable());
}

bool IsIterable(const Value& v) { return IsSequence(v) || v.Is(Kind::kSequence) || v.Is(Kind::kLoop); }

bool IsTrueBool(const Value& v, bool wanted) { return v.Is(Kind::kBool) && v.AsBool() == wanted; }

// str.islower and str.isupper: some cased letter, and none of the other case.
bool HasOnlyCase(const std::string& text, bool upper) {
  const std::string other = upper ? Lower(text) : Upper(text);
  return text == (upper ? Upper(text) : Lower(text)) && text != other;
}

// Tests without arguments.
using PlainTest = bool (*)(const Value&);
struct PlainEntry {
  std::string_view name;
  PlainTest test;
};
constexpr PlainEntry kPlainTests[] = {
    {"defined", [](const Value& v) { return !v.Is(Kind::kUndefined); }},
    {"undefined", [](const Value& v) { return v.Is(Kind::kUndefined); }},
    {"none", [](const Value& v) { return v.Is(Kind::kNone); }},
    {"string", [](const Value& v) { return v.Is(Kind::kText); }},
    {"mapping", [](const Value& v) { return v.Is(Kind::kDict); }},
    {"iterable", IsIterable},
    {"sequence", IsSequence},
    {"number", [](const Value& v) { return v.IsNumber(); }},
    {"integer", [](const Value& v) { return v.Is(Kind::kInt); }},
    {"float", [](const Value& v) { return v.Is(Kind::kFloat); }},
    {"boolean", [](const Value& v) { return v.Is(Kind::kBool); }},
    {"true", [](const Value& v) { return IsTrueBool(v, true); }},
    {"false", [](const Value& v) { return IsTrueBool(v, false); }},
    {"callable", [](const Value& v) { return v.Is(Kind::kCallable) || v.Is(Kind::kLoop); }},
    {"escaped", [](const Value& v) { return v.IsSafeText(); }},
};

// Tests that compare with one argument.
struct CompareEntry {
  std::string_view name;
  Operator op;
};
constexpr CompareEntry kCompareTests[] = {
    {"eq", Operator::kEq},          {"==", Operator::kEq}, {"equalto", Operator::kEq}, {"ne", Operator::kNe},
    {"!=", Operator::kNe},          {"lt", Operator::kLt}, {"<", Operator::kLt},       {"lessthan", Operator::kLt},
    {"le", Operator::kLe},          {"<=", Operator::kLe}, {"gt", Operator::kGt},      {">", Operator::kGt},
    {"greaterthan", Operator::kGt}, {"ge", Operator::kGe}, {">=", Operator::kGe},      {"in", Operator::kIn},
};

constexpr std::string_view kOtherTests[] = {"odd", "even", "divisibleby", "sameas", "lower", "upper", "filter", "test"};

// input % divisor == wanted
Result<bool> HasRemainder(Evaluator& e, const Value& input, const Value& divisor, int64_t wanted) {
  HEW_ASSIGN(const Value rest, Arithmetic(Operator::kMod, input, divisor, e.budget()));
  return Equal(rest, Value::Int(wanted), e.budget());
}

Result<bool> ApplyOther(Evaluator& e, std::string_view name, const Value& input, const CallArguments& args) {
  if (name == "divisibleby" || name == "sameas") {
    HEW_ASSIGN(const auto bound, BoundArguments::Bind(name, args, {name == "sameas" ? "other" : "num"}, 1));
    if (name == "sameas") return input.SameAs(bound[0]);
    return HasRemainder(e, input, bound[0], 0);
  }
  HEW_RETURN_IF_ERROR(BoundArguments::Bind(name, args, {}, 0));
  if (name == "odd" || name == "even") return HasRemainder(e, input, Value::Int(2), name == "odd" ? 1 : 0);
  HEW_ASSIGN(const MarkedText marked, ToText(input, e.budget()));
  const std::string& text = marked.bytes();
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(text.size()));
  if (name == "filter") return IsFilter(text);
  if (name == "test") return IsPredicate(text);
  return HasOnlyCase(text, name == "upper");
}

}  // namespace

bool IsPredicate(std::string_view name) {
  for (const auto& entry : kPlainTests) {
    if (entry.name == name) return true;
  }
  for (const auto& entry : kCompareTests) {
    if (entry.name == name) return true;
  }
  for (const std::string_view other : kOtherTests) {
    if (other == name) return true;
  }
  return false;
}

Result<bool> ApplyPredicate(Evaluator& evaluator, std::string_view name, const Value& input,
                            const CallArguments& arguments) {
  HEW_RETURN_IF_ERROR(evaluator.budget()->Charge(1));
  for (const auto& entry : kPlainTests) {
    if (entry.name != name) continue;
    HEW_RETURN_IF_ERROR(BoundArguments::Bind(name, arguments, {}, 0));
    return entry.test(input);
  }
  for (const auto& entry : kCompareTests) {
    if (entry.name != name) continue;
    HEW_ASSIGN(const auto bound, BoundArguments::Bind(name, arguments, {"other"}, 1));
    return Compare(entry.op, input, bound[0], evaluator.budget());
  }
  if (!IsPredicate(name)) return BadInput("no test named '{}'", name);
  return ApplyOther(evaluator, name, input, arguments);
}

}  // namespace hew::jinja
