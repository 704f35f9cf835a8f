// Filters that make numbers.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

// Without the white space around it and the _ between digits, as int() and float() read a text; empty if malformed.
std::string NumberText(std::string_view text) {
  text = StripSpace(text, true, true);
  constexpr size_t kMaxDigits = 4300;  // Python's own bound
  if (text.size() > kMaxDigits) return {};
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto is_alnum = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (text[i] == '_') {
      if (i == 0 || i + 1 == text.size() || !is_alnum(text[i - 1]) || !is_alnum(text[i + 1])) return {};
      continue;
    }
    out += text[i];
  }
  return out;
}

// int(text, base); nothing if it is no integer of 64 bits.
std::optional<int64_t> ParseInt(std::string_view raw, int base) {
  std::string text = NumberText(raw);
  std::string_view digits = text;
  bool negative = false;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  if (digits.size() > 2 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    const int prefix = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (prefix != 0 && (base == prefix || base == 0)) {
      digits.remove_prefix(2);
      base = prefix;
    }
  }
  if (base == 0) base = 10;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || digits.empty() || end != digits.data() + digits.size()) return std::nullopt;
  if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

std::optional<double> ParseFloat(std::string_view raw) {
  const std::string text = Lower(NumberText(raw));
  if (text.empty() || text.find('x') != std::string::npos || text.find('(') != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || IsSpace(static_cast<uint8_t>(text[0]))) return std::nullopt;
  return value;
}

std::optional<int64_t> Truncate(double d) {
  if (!(std::fabs(d) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(d);
}

Result<Value> Int(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("int", args, {"default", "base"}, 0));
  HEW_ASSIGN(const int64_t base, bound.Int(1, 10));
  if (base != 0 && (base < 2 || base > 36)) return BadInput("expected a base from 2 to 36, found {}", base);
  if (input.Is(Kind::kUndefined)) return BadInput("{}", input.UndefinedMessage());
  std::optional<int64_t> value;
  if (input.Is(Kind::kText)) {
    HEW_RETURN_IF_ERROR(e.budget()->ChargeText(input.AsText().size()));
    value = ParseInt(input.AsText(), static_cast<int>(base));
    if (!value) {
      if (const auto number = ParseFloat(input.AsText())) value = Truncate(*number);
    }
  } else if (input.Is(Kind::kFloat)) {
    value = Truncate(input.AsDouble());
  } else if (input.IsIntegral()) {
    value = input.AsInt();
  }
  if (value) return Value::Int(*value);
  return bound.Has(0) ? bound[0] : Value::Int(0);
}

Result<Value> Float(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("float", args, {"default"}, 0));
  if (input.Is(Kind::kUndefined)) return BadInput("{}", input.UndefinedMessage());
  if (input.IsNumber()) return Value::Float(input.AsDouble());
  if (input.Is(Kind::kText)) {
    HEW_RETURN_IF_ERROR(e.budget()->ChargeText(input.AsText().size()));
    if (const auto number = ParseFloat(input.AsText())) return Value::Float(*number);
  }
  return bound.Has(0) ? bound[0] : Value::Float(0);
}

Result<Value> Abs(Evaluator&, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("abs", args, {}, 0));
  if (input.Is(Kind::kFloat)) return Value::Float(std::fabs(input.AsDouble()));
  if (input.Is(Kind::kUndefined)) return BadInput("{}", input.UndefinedMessage());
  if (!input.IsIntegral()) return BadInput("bad operand type for abs(): '{}'", TypeName(input));
  return input.AsInt() < 0 ? Negate(input) : Value::Int(input.AsInt());
}

Result<Value> Round(Evaluator&, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("round", args, {"precision", "method"}, 0));
  HEW_ASSIGN(const int64_t precision, bound.Int(0, 0));
  HEW_ASSIGN(const std::string method, bound.Text(1, "common"));
  if (!input.IsNumber()) return BadInput("expected a number, found {}", TypeName(input));
  if (precision < -300 || precision > 300) return BadInput("expected a precision within 300, found {}", precision);
  const double number = input.AsDouble();
  if (method == "ceil" || method == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = number * scale;
    return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (method != "common") return BadInput("expected method common, ceil or floor, found '{}'", method);
  if (input.IsIntegral() && precision >= 0) return Value::Int(input.AsInt());
  if (!std::isfinite(number)) return input;
  if (precision >= 0) {  // printing rounds the exact value, as Python does
    return Value::Float(std::strtod(fmt::format("{:.{}f}", number, precision).c_str(), nullptr));
  }
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  const double rounded = std::nearbyint(number / scale) * scale;
  if (!input.IsIntegral()) return Value::Float(rounded);
  if (std::fabs(rounded) >= 9.2e18) return BadInput("integer overflow: expected a result within 64 bits");
  return Value::Int(static_cast<int64_t>(rounded));
}

constexpr FilterEntry kFilters[] = {{"int", Int}, {"float", Float}, {"abs", Abs}, {"round", Round}};

}  // namespace

FilterFunction FindNumberFilter(std::string_view name) {
  for (const FilterEntry& entry : kFilters) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace hew::jinja
