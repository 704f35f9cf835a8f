#include "text/jinja/operators.h"

#include <cmath>

#include "text/jinja/percent_format.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

std::string_view Symbol(Operator op) {
  switch (op) {
    case Operator::kAdd:
      return "+";
    case Operator::kSub:
      return "-";
    case Operator::kMul:
      return "*";
    case Operator::kDiv:
      return "/";
    case Operator::kFloorDiv:
      return "//";
    case Operator::kMod:
      return "%";
    case Operator::kPow:
      return "**";
    default:
      return "?";
  }
}

tl::unexpected<Error> Overflow() { return BadInput("integer overflow: expected a result within 64 bits"); }
tl::unexpected<Error> DivisionByZero() { return BadInput("division by zero"); }

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0); }

Result<Value> IntPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return Overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return Overflow();
  }
  return Value::Int(result);
}

Result<Value> IntArithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Operator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case Operator::kSub:
      if (__builtin_sub_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case Operator::kMul:
      if (__builtin_mul_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case Operator::kFloorDiv:
      if (b == 0) return DivisionByZero();
      if (b == -1) return Negate(Value::Int(a));  // the one quotient that can overflow
      return Value::Int(FloorDiv(a, b));
    case Operator::kMod:
      if (b == 0) return DivisionByZero();
      if (b == -1) return Value::Int(0);
      return Value::Int(a - FloorDiv(a, b) * b);
    default:
      return IntPower(a, b);
  }
}

// Quotient rounded down and the remainder with the divisor's sign, as Python's float divmod.
std::pair<double, double> FloatDivMod(double a, double b) {
  double mod = std::fmod(a, b);
  double div = (a - mod) / b;
  if (mod != 0) {
    if ((b < 0) != (mod < 0)) {
      mod += b;
      div -= 1;
    }
  } else {
    mod = std::copysign(0.0, b);
  }
  if (div == 0) return {std::copysign(0.0, a / b), mod};
  double floor = std::floor(div);
  if (div - floor > 0.5) floor += 1;
  return {floor, mod};
}

Result<Value> FloatArithmetic(Operator op, double a, double b) {
  switch (op) {
    case Operator::kAdd:
      return Value::Float(a + b);
    case Operator::kSub:
      return Value::Float(a - b);
    case Operator::kMul:
      return Value::Float(a * b);
    case Operator::kDiv:
      if (b == 0) return DivisionByZero();
      return Value::Float(a / b);
    case Operator::kFloorDiv:
    case Operator::kMod: {
      if (b == 0) return DivisionByZero();
      const auto [div, mod] = FloatDivMod(a, b);
      return Value::Float(op == Operator::kMod ? mod : div);
    }
    default: {
      if (a == 0 && b < 0) return DivisionByZero();
      if (a < 0 && b != std::floor(b) && std::isfinite(b)) return BadInput("a negative number to a broken power");
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return BadInput("float overflow in **");
      return Value::Float(result);
    }
  }
}

Result<Value> AddTexts(const Value& a, const Value& b, Budget* budget) {
  const bool safe = a.IsSafeText() || b.IsSafeText();
  HEW_RETURN_IF_ERROR(budget->ChargeText(a.AsText().size() + b.AsText().size()));
  const auto part = [safe](const Value& v) {
    return safe && !v.IsSafeText() ? EscapeHtml(v.AsMarkedText()) : v.AsMarkedText();
  };
  MarkedText text = part(a);
  text.Append(part(b));
  if (safe) HEW_RETURN_IF_ERROR(budget->ChargeText(text.size()));
  return Value::FromText(std::move(text), safe);
}

bool IsListOrTuple(const Value& v) {
  return v.Is(Kind::kSequence) &&
         (v.AsSequence().type == Sequence::Type::kList || v.AsSequence().type == Sequence::Type::kTuple);
}

Result<Value> AddSequences(const Sequence& a, const Sequence& b, Budget* budget) {
  HEW_RETURN_IF_ERROR(budget->ChargeItems(a.items.size() + b.items.size()));
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return MakeSequence(a.type, std::move(items));
}

Result<Value> Repeat(const Value& value, int64_t times, Budget* budget) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(times, 0));
  uint64_t size = 0;
  if (value.Is(Kind::kText)) {
    const std::string& text = value.AsText();
    if (__builtin_mul_overflow(text.size(), count, &size)) return Overflow();
    HEW_RETURN_IF_ERROR(budget->ChargeText(size));
    MarkedText out;
    if (!text.empty()) {
      for (uint64_t i = 0; i < count; ++i) out.Append(value.AsMarkedText());
    }
    return Value::FromText(std::move(out), value.IsSafeText());
  }
  const Sequence& sequence = value.AsSequence();
  if (__builtin_mul_overflow(sequence.items.size(), count, &size)) return Overflow();
  HEW_RETURN_IF_ERROR(budget->ChargeItems(size));
  std::vector<Value> items;
  items.reserve(size);
  for (uint64_t i = 0; i < size; ++i) items.push_back(sequence.items[i % sequence.items.size()]);
  return MakeSequence(sequence.type, std::move(items));
}

}  // namespace

Result<Value> Arithmetic(Operator op, const Value& a, const Value& b, Budget* budget) {
  HEW_RETURN_IF_ERROR(budget->Charge(1));
  if (a.IsNumber() && b.IsNumber()) {
    const bool ints = a.IsIntegral() && b.IsIntegral();
    if (ints && op != Operator::kDiv && !(op == Operator::kPow && b.AsInt() < 0)) {
      return IntArithmetic(op, a.AsInt(), b.AsInt());
    }
    return FloatArithmetic(op, a.AsDouble(), b.AsDouble());
  }
  if (op == Operator::kMod && a.Is(Kind::kText)) return PercentFormat(a, b, budget);
  if (a.Is(Kind::kUndefined)) return BadInput("{}", a.UndefinedMessage());
  if (b.Is(Kind::kUndefined)) return BadInput("{}", b.UndefinedMessage());
  if (op == Operator::kAdd && a.Is(Kind::kText) && b.Is(Kind::kText)) return AddTexts(a, b, budget);
  if (op == Operator::kAdd && IsListOrTuple(a) && IsListOrTuple(b) && a.AsSequence().type == b.AsSequence().type) {
    return AddSequences(a.AsSequence(), b.AsSequence(), budget);
  }
  if (op == Operator::kMul) {
    if ((a.Is(Kind::kText) || IsListOrTuple(a)) && b.IsIntegral()) return Repeat(a, b.AsInt(), budget);
    if ((b.Is(Kind::kText) || IsListOrTuple(b)) && a.IsIntegral()) return Repeat(b, a.AsInt(), budget);
  }
  if (op == Operator::kAdd && a.Is(Kind::kText)) {
    return BadInput("can only concatenate str (not \"{}\") to str", TypeName(b));
  }
  return BadInput("unsupported operand type(s) for {}: '{}' and '{}'", Symbol(op), TypeName(a), TypeName(b));
}

Result<Value> Negate(const Value& a) {
  if (a.Is(Kind::kFloat)) return Value::Float(-a.AsDouble());
  if (a.Is(Kind::kUndefined)) return BadInput("{}", a.UndefinedMessage());
  if (!a.IsIntegral()) return BadInput("bad operand type for unary -: '{}'", TypeName(a));
  int64_t result = 0;
  if (__builtin_sub_overflow(int64_t{0}, a.AsInt(), &result)) return Overflow();
  return Value::Int(result);
}

Result<Value> Positive(const Value& a) {
  if (a.Is(Kind::kFloat)) return a;
  if (a.Is(Kind::kUndefined)) return BadInput("{}", a.UndefinedMessage());
  if (!a.IsIntegral()) return BadInput("bad operand type for unary +: '{}'", TypeName(a));
  return Value::Int(a.AsInt());
}

Result<bool> Compare(Operator op, const Value& a, const Value& b, Budget* budget) {
  switch (op) {
    case Operator::kEq:
      return Equal(a, b, budget);
    case Operator::kNe: {
      HEW_ASSIGN(const bool same, Equal(a, b, budget));
      return !same;
    }
    case Operator::kIn:
      return Contains(b, a, budget);
    case Operator::kNotIn: {
      HEW_ASSIGN(const bool inside, Contains(b, a, budget));
      return !inside;
    }
    default:
      break;
  }
  HEW_ASSIGN(const std::partial_ordering order, Order(a, b, budget));
  switch (op) {
    case Operator::kLt:
      return order < 0;
    case Operator::kLe:
      return order <= 0;
    case Operator::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

Result<Value> Slice(const Value& object, const Value& start, const Value& stop, const Value& step, Budget* budget) {
  if (object.Is(Kind::kUndefined)) return BadInput("{}", object.UndefinedMessage());
  const bool is_text = object.Is(Kind::kText);
  if (!is_text && !(object.Is(Kind::kSequence) && object.AsSequence().Indexable())) {
    return BadInput("'{}' object cannot be sliced", TypeName(object));
  }
  for (const Value* part : {&start, &stop, &step}) {
    if (!part->Is(Kind::kNone) && !part->IsIntegral()) {
      return BadInput("slice indices must be integers or None, not {}", TypeName(*part));
    }
  }
  const int64_t by = step.Is(Kind::kNone) ? 1 : step.AsInt();
  if (by == 0) return BadInput("slice step cannot be zero");
  std::vector<size_t> offsets;
  if (is_text) {
    HEW_RETURN_IF_ERROR(budget->ChargeScan(object.AsText().size() * 8));
    offsets = CodePointOffsets(object.AsText());
  }
  const auto size = static_cast<int64_t>(is_text ? offsets.size() - 1 : object.AsSequence().items.size());
  const auto clamp = [&](const Value& part, int64_t otherwise) {
    if (part.Is(Kind::kNone)) return otherwise;
    const int64_t i = part.AsInt() < 0 ? part.AsInt() + size : part.AsInt();
    return by > 0 ? std::min(std::max<int64_t>(i, 0), size) : std::min(std::max<int64_t>(i, -1), size - 1);
  };
  const int64_t from = clamp(start, by > 0 ? 0 : size - 1);
  const int64_t to = clamp(stop, by > 0 ? size : -1);
  std::vector<int64_t> picked;
  // `by` may be as large as an int64: step only while that cannot pass the end.
  for (int64_t i = from; by > 0 ? i < to : i > to;) {
    picked.push_back(i);
    if (by > 0 ? to - i <= by : i - to - 1 <= -(by + 1)) break;
    i += by;
  }
  if (is_text) {
    MarkedText text;
    for (const int64_t i : picked) {
      const size_t begin = offsets[static_cast<size_t>(i)];
      text.AppendPart(object.AsMarkedText(), begin, offsets[static_cast<size_t>(i) + 1]);
    }
    HEW_RETURN_IF_ERROR(budget->ChargeText(text.size()));
    return Value::FromText(std::move(text), object.IsSafeText());
  }
  HEW_RETURN_IF_ERROR(budget->ChargeItems(picked.size()));
  std::vector<Value> items;
  for (const int64_t i : picked) items.push_back(object.AsSequence().items[static_cast<size_t>(i)]);
  const bool is_tuple = object.AsSequence().type == Sequence::Type::kTuple;
  return MakeSequence(is_tuple ? Sequence::Type::kTuple : Sequence::Type::kList, std::move(items));
}

MarkedText EscapeHtml(const MarkedText& text) { return MarkedText(EscapeHtml(text.bytes()), text.has_data()); }

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace hew::jinja
