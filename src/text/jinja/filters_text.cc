// Filters that make text.
#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/json_value.h"
#include "text/jinja/operators.h"
#include "text/jinja/percent_format.h"
#include "text/jinja/text_functions.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

// The input as text; keeps that it is safe.
Result<Value> SoftText(Evaluator& e, const Value& input) {
  if (input.Is(Kind::kText)) return input;
  HEW_ASSIGN(MarkedText text, ToText(input, e.budget()));
  return e.MakeText(std::move(text));
}

template <std::string (*kFunction)(std::string_view)>
Result<Value> MapText(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("text", args, {}, 0));
  HEW_ASSIGN(const Value text, SoftText(e, input));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(text.AsText().size()));  // besides what MakeText takes: case is slow
  HEW_RETURN_IF_ERROR(e.budget()->ChargeScan(text.AsText().size() * 2));
  return e.MakeText(MarkedText(kFunction(text.AsText()), text.AsMarkedText().has_data()), text.IsSafeText());
}

// Jinja's own title: a letter after white space, '-', '(', '{', '[' or '<' is upper case, every other lower case.
std::string JinjaTitle(std::string_view text) {
  std::string out;
  size_t pos = 0;
  while (pos < text.size()) {
    size_t end = pos;
    while (end < text.size()) {
      const CodePoint c = DecodeAt(text, end);
      const bool splits =
          IsSpace(c.value) ||
          (c.value < 0x80 && std::string_view("-({[<").find(static_cast<char>(c.value)) != std::string_view::npos);
      if (splits) break;
      end += c.bytes;
    }
    if (end > pos) {
      const size_t first = DecodeAt(text, pos).bytes;
      out += Upper(text.substr(pos, first));
      out += Lower(text.substr(pos + first, end - pos - first));
    }
    if (end < text.size()) {
      const size_t bytes = DecodeAt(text, end).bytes;
      out += text.substr(end, bytes);
      end += bytes;
    }
    pos = end;
  }
  return out;
}

Result<Value> String(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("string", args, {}, 0));
  return SoftText(e, input);
}

Result<Value> Safe(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("safe", args, {}, 0));
  HEW_ASSIGN(MarkedText text, ToText(input, e.budget()));
  return e.MakeText(std::move(text), true);
}

Result<Value> Escape(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("escape", args, {}, 0));
  if (input.IsSafeText()) return input;
  HEW_ASSIGN(const MarkedText text, ToText(input, e.budget()));
  return e.MakeText(EscapeHtml(text), true);
}

Result<Value> ForceEscape(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("forceescape", args, {}, 0));
  HEW_ASSIGN(const MarkedText text, ToText(input, e.budget()));
  return e.MakeText(EscapeHtml(text), true);
}

Result<Value> Trim(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("trim", args, {"chars"}, 0));
  HEW_ASSIGN(const Value text, SoftText(e, input));
  const MarkedText& marked = text.AsMarkedText();
  if (!bound.Given(0)) return e.MakeText(marked.Part(StripSpace(marked.bytes(), true, true)), text.IsSafeText());
  HEW_ASSIGN(const std::string set, bound.Text(0, ""));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(text.AsText().size() + set.size()));
  return e.MakeText(marked.Part(StripSet(marked.bytes(), set, true, true)), text.IsSafeText());
}

Result<Value> Replace(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("replace", args, {"old", "new", "count"}, 2));
  HEW_ASSIGN(const MarkedText text, ToText(input, e.budget()));
  HEW_ASSIGN(const MarkedText from, ToText(bound[0], e.budget()));
  HEW_ASSIGN(const MarkedText to, ToText(bound[1], e.budget()));
  int64_t count = -1;
  if (bound.Given(2)) {
    HEW_ASSIGN(count, bound.Int(2, -1));
  }
  HEW_ASSIGN(MarkedText out, ReplaceText(text, from.bytes(), to, count, e.budget()));
  return e.MakeText(std::move(out));
}

Result<Value> Indent(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("indent", args, {"width", "first", "blank"}, 0));
  HEW_ASSIGN(const Value text, SoftText(e, input));
  std::string space(4, ' ');
  if (bound.Has(0) && bound[0].Is(Kind::kText)) {
    space = bound[0].AsText();
  } else {
    HEW_ASSIGN(const int64_t width, bound.Int(0, 4));
    HEW_RETURN_IF_ERROR(e.budget()->ChargeText(static_cast<size_t>(std::max<int64_t>(width, 0))));
    space.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const bool blank = bound.Flag(2, false);
  MarkedText body = text.AsMarkedText();
  body.Append("\n");
  const auto lines = SplitLines(body.bytes());
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(body.size() + lines.size() * space.size()));
  MarkedText out(bound.Flag(1, false) ? space : "");
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.Append("\n");
    if (i > 0 && (blank || !lines[i].empty())) out.Append(space);
    out.Append(body.Part(lines[i]));
  }
  return e.MakeText(std::move(out), text.IsSafeText());
}

Result<Value> Center(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("center", args, {"width"}, 0));
  HEW_ASSIGN(const Value text, SoftText(e, input));
  HEW_ASSIGN(const int64_t width, bound.Int(0, 80));
  const auto length = static_cast<int64_t>(CodePointCount(text.AsText()));
  if (width <= length) return text;
  const int64_t missing = width - length;
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(static_cast<size_t>(width)));
  const int64_t left = missing / 2 + (missing & width & 1);  // where Python puts the odd space
  MarkedText out(std::string(static_cast<size_t>(left), ' '));
  out.Append(text.AsMarkedText());
  out.Append(std::string(static_cast<size_t>(missing - left), ' '));
  return e.MakeText(std::move(out), text.IsSafeText());
}

Result<Value> WordCount(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("wordcount", args, {}, 0));
  HEW_ASSIGN(const MarkedText marked, ToText(input, e.budget()));
  const std::string& text = marked.bytes();
  int64_t words = 0;
  bool in_word = false;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    const bool is_word = c.value == '_' || (c.value < 0x80 ? (IsLetter(c.value) || (c.value >= '0' && c.value <= '9'))
                                                           : c.value != kInvalidByte && IsPrintable(c.value));
    if (is_word && !in_word) ++words;
    in_word = is_word;
    pos += c.bytes;
  }
  return Value::Int(words);
}

Result<Value> Format(Evaluator& e, const Value& input, const CallArguments& args) {
  if (!args.positional.empty() && !args.named.empty()) return BadInput("expected positional or named arguments");
  HEW_ASSIGN(const Value text, SoftText(e, input));
  if (args.named.empty()) {
    HEW_ASSIGN(const Value values, e.MakeList(args.positional, Sequence::Type::kTuple));
    return PercentFormat(text, values, e.budget());
  }
  auto dict = std::make_shared<Dict>();
  for (const auto& [name, value] : args.named) HEW_RETURN_IF_ERROR(dict->Set(Value::FromText(name), value));
  return PercentFormat(text, Value::From(std::shared_ptr<const Dict>(std::move(dict))), e.budget());
}

Result<Value> ToJson(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound,
             BoundArguments::Bind("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0));
  DumpOptions options;
  options.ensure_ascii = bound.Flag(0, false);
  options.sort_keys = bound.Flag(3, false);
  if (bound.Given(1)) {
    if (bound[1].Is(Kind::kText)) {
      options.indent = bound[1].AsText();
    } else {
      HEW_ASSIGN(const int64_t width, bound.Int(1, 0));
      if (width > 1000) return BadInput("expected an indent of at most 1000, found {}", width);
      options.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
    options.item_separator = ",";
  }
  if (bound.Given(2)) {
    HEW_ASSIGN(const auto parts, Iterate(bound[2], e.budget()));
    if (parts.size() != 2 || !parts[0].Is(Kind::kText) || !parts[1].Is(Kind::kText)) {
      return BadInput("expected two texts as separators");
    }
    options.item_separator = parts[0].AsText();
    options.key_separator = parts[1].AsText();
  }
  HEW_ASSIGN(MarkedText json, DumpJson(input, options, e.budget()));
  return e.MakeText(std::move(json));
}

constexpr FilterEntry kFilters[] = {
    {"tojson", ToJson},
    {"trim", Trim},
    {"string", String},
    {"safe", Safe},
    {"upper", MapText<Upper>},
    {"lower", MapText<Lower>},
    {"title", MapText<JinjaTitle>},
    {"capitalize", MapText<Capitalize>},
    {"replace", Replace},
    {"indent", Indent},
    {"escape", Escape},
    {"e", Escape},
    {"forceescape", ForceEscape},
    {"center", Center},
    {"wordcount", WordCount},
    {"format", Format},
};

}  // namespace

FilterFunction FindTextFilter(std::string_view name) {
  for (const FilterEntry& entry : kFilters) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace hew::jinja
