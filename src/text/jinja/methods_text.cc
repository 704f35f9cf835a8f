// str's methods.
#include "text/jinja/evaluator.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_functions.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

// Searching from the right compares up to all of `part` at every place.
Status ChargeSearch(Evaluator& e, std::string_view text, std::string_view part, bool from_right) {
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(text.size()));
  const uint64_t factor = from_right ? part.size() / 8 : 0;
  return e.budget()->Charge(static_cast<int64_t>(text.size() / 256 * factor));
}

template <std::string (*kFunction)(std::string_view)>
Result<Value> MapText(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("text method", args, {}, 0));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(self.AsText().size()));  // besides what MakeText takes: case is slow
  HEW_RETURN_IF_ERROR(e.budget()->ChargeScan(self.AsText().size() * 2));
  return e.MakeText(MarkedText(kFunction(self.AsText()), self.AsMarkedText().has_data()), self.IsSafeText());
}

template <bool kLeft, bool kRight>
Result<Value> Strip(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("strip", args, {"chars"}, 0));
  if (!bound.Given(0)) {
    return e.MakeText(self.AsMarkedText().Part(StripSpace(self.AsText(), kLeft, kRight)), self.IsSafeText());
  }
  HEW_ASSIGN(const std::string set, bound.Text(0, ""));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(self.AsText().size() + set.size()));
  return e.MakeText(self.AsMarkedText().Part(StripSet(self.AsText(), set, kLeft, kRight)), self.IsSafeText());
}

// `parts` are views into the text of `self`.
Result<Value> TextList(Evaluator& e, const Value& self, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  HEW_RETURN_IF_ERROR(e.budget()->Charge(static_cast<int64_t>(parts.size())));
  for (const std::string_view part : parts)
    items.push_back(Value::FromText(self.AsMarkedText().Part(part), self.IsSafeText()));
  return e.MakeList(std::move(items));
}

template <bool kFromRight>
Result<Value> Split(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("split", args, {"sep", "maxsplit"}, 0));
  HEW_ASSIGN(const int64_t max, bound.Int(1, -1));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(self.AsText().size()));
  if (!bound.Given(0)) return TextList(e, self, SplitSpace(self.AsText(), max, kFromRight));
  HEW_ASSIGN(const std::string separator, bound.Text(0, ""));
  HEW_RETURN_IF_ERROR(ChargeSearch(e, self.AsText(), separator, kFromRight));
  HEW_ASSIGN(const auto parts, SplitText(self.AsText(), separator, max, kFromRight));
  return TextList(e, self, parts);
}

Result<Value> SplitIntoLines(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("splitlines", args, {"keepends"}, 0));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(self.AsText().size()));
  auto lines = SplitLines(self.AsText());
  if (bound.Flag(0, false)) {  // each line reaches to where the next begins
    const char* end = self.AsText().data() + self.AsText().size();
    for (size_t i = 0; i < lines.size(); ++i) {
      const char* next = i + 1 < lines.size() ? lines[i + 1].data() : end;
      lines[i] = std::string_view(lines[i].data(), static_cast<size_t>(next - lines[i].data()));
    }
  }
  return TextList(e, self, lines);
}

// The part between two indices, as str.startswith and str.find see it.
std::string_view Range(const std::string& text, int64_t start, int64_t end) {
  const auto offsets = CodePointOffsets(text);
  const auto size = static_cast<int64_t>(offsets.size()) - 1;
  const auto clamp = [size](int64_t i) { return std::min(std::max<int64_t>(i < 0 ? i + size : i, 0), size); };
  const size_t from = offsets[static_cast<size_t>(clamp(start))];
  const size_t to = offsets[static_cast<size_t>(std::max(clamp(start), clamp(end)))];
  return std::string_view(text).substr(from, to - from);
}

template <bool kStart>
Result<Value> StartsOrEnds(Evaluator& e, const Value& self, const CallArguments& args) {
  const std::string_view name = kStart ? "startswith" : "endswith";
  HEW_ASSIGN(const auto bound, BoundArguments::Bind(name, args, {"prefix", "start", "end"}, 1));
  HEW_ASSIGN(const int64_t start, bound.Given(1) ? bound.Int(1, 0) : Result<int64_t>(0));
  HEW_ASSIGN(const int64_t end, bound.Given(2) ? bound.Int(2, INT64_MAX) : Result<int64_t>(INT64_MAX));
  std::string_view text = self.AsText();
  if (start != 0 || end != INT64_MAX) {
    HEW_RETURN_IF_ERROR(e.budget()->ChargeText(text.size()));
    text = Range(self.AsText(), start, end);
  }
  std::vector<Value> candidates = {bound[0]};
  if (bound[0].Is(Kind::kSequence) && bound[0].AsSequence().type == Sequence::Type::kTuple) {
    candidates = bound[0].AsSequence().items;
  }
  for (const Value& candidate : candidates) {
    if (!candidate.Is(Kind::kText)) return BadInput("{}: expected a str, found {}", name, TypeName(candidate));
    const std::string& part = candidate.AsText();
    HEW_RETURN_IF_ERROR(e.budget()->Charge(1 + static_cast<int64_t>(std::min(part.size(), text.size()) / 1024)));
    if (part.size() > text.size()) continue;
    if (text.substr(kStart ? 0 : text.size() - part.size(), part.size()) == part) return Value::Bool(true);
  }
  return Value::Bool(false);
}

Result<Value> Replace(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("replace", args, {"old", "new", "count"}, 2));
  HEW_ASSIGN(const std::string from, bound.Text(0, ""));
  HEW_RETURN_IF_ERROR(bound.Text(1, ""));
  MarkedText to = bound[1].AsMarkedText();
  HEW_ASSIGN(const int64_t count, bound.Int(2, -1));
  if (self.IsSafeText() && !bound[1].IsSafeText()) to = EscapeHtml(to);
  HEW_ASSIGN(MarkedText out, ReplaceText(self.AsMarkedText(), from, to, count, e.budget()));
  return e.MakeText(std::move(out), self.IsSafeText());
}

// find, rfind, index, rindex: in characters; -1 or an error where it is absent.
template <bool kFromRight, bool kMustFind>
Result<Value> Find(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("find", args, {"sub", "start", "end"}, 1));
  HEW_ASSIGN(const std::string part, bound.Text(0, ""));
  HEW_ASSIGN(const int64_t start, bound.Given(1) ? bound.Int(1, 0) : Result<int64_t>(0));
  HEW_ASSIGN(const int64_t end, bound.Given(2) ? bound.Int(2, INT64_MAX) : Result<int64_t>(INT64_MAX));
  HEW_RETURN_IF_ERROR(ChargeSearch(e, self.AsText(), part, kFromRight));
  const std::string_view text = self.AsText();
  const std::string_view range = Range(self.AsText(), start, end);
  const size_t at = kFromRight ? range.rfind(part) : FindText(range, part);
  if (at == std::string_view::npos) {
    if (kMustFind) return BadInput("substring not found");
    return Value::Int(-1);
  }
  const auto offset = static_cast<size_t>(range.data() - text.data()) + at;
  return Value::Int(static_cast<int64_t>(CodePointCount(text.substr(0, offset))));
}

Result<Value> Count(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("count", args, {"sub"}, 1));
  HEW_ASSIGN(const std::string part, bound.Text(0, ""));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(self.AsText().size()));
  if (part.empty()) return Value::Int(static_cast<int64_t>(CodePointCount(self.AsText())) + 1);
  int64_t count = 0;
  for (size_t at = FindText(self.AsText(), part); at != std::string::npos;
       at = FindText(self.AsText(), part, at + part.size())) {
    ++count;
  }
  return Value::Int(count);
}

Result<Value> Join(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("join", args, {"iterable"}, 1));
  HEW_ASSIGN(const auto items, Iterate(bound[0], e.budget()));
  MarkedText out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].Is(Kind::kText)) {
      return BadInput("join: item {}: expected str instance, {} found", i, TypeName(items[i]));
    }
    if (i > 0) out.Append(self.AsMarkedText());
    const bool escape = self.IsSafeText() && !items[i].IsSafeText();
    out.Append(escape ? EscapeHtml(items[i].AsMarkedText()) : items[i].AsMarkedText());
    if (out.size() > static_cast<uint64_t>(e.limits().max_output_bytes)) break;  // refused below
  }
  return e.MakeText(std::move(out), self.IsSafeText());
}

template <bool kPrefix>
Result<Value> RemoveAffix(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("removeprefix", args, {"affix"}, 1));
  HEW_ASSIGN(const std::string affix, bound.Text(0, ""));
  std::string_view text = self.AsText();
  if (text.size() >= affix.size()) {
    if (kPrefix && text.substr(0, affix.size()) == affix)
      text.remove_prefix(affix.size());
    else if (!kPrefix && text.substr(text.size() - affix.size()) == affix)
      text.remove_suffix(affix.size());
  }
  return e.MakeText(self.AsMarkedText().Part(text), self.IsSafeText());
}

template <bool kFromRight>
Result<Value> Partition(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("partition", args, {"sep"}, 1));
  HEW_ASSIGN(const std::string separator, bound.Text(0, ""));
  if (separator.empty()) return BadInput("partition: empty separator");
  HEW_RETURN_IF_ERROR(ChargeSearch(e, self.AsText(), separator, kFromRight));
  const MarkedText& marked = self.AsMarkedText();
  const std::string_view text = marked.bytes();
  const size_t at = kFromRight ? text.rfind(separator) : FindText(text, separator);
  std::vector<Value> parts = {self, Value::FromText(""), Value::FromText("")};
  if (at != std::string::npos) {
    parts = {Value::FromText(marked.Part(text.substr(0, at))),
             Value::FromText(marked.Part(text.substr(at, separator.size()))),
             Value::FromText(marked.Part(text.substr(at + separator.size())))};
  } else if (kFromRight) {
    std::swap(parts[0], parts[2]);
  }
  return e.MakeList(std::move(parts), Sequence::Type::kTuple);
}

template <bool (*kAccepts)(uint32_t)>
Result<Value> IsAll(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("is", args, {}, 0));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeScan(self.AsText().size()));
  const std::string& text = self.AsText();
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = DecodeAt(text, pos);
    if (c.value == kInvalidByte || !kAccepts(c.value)) return Value::Bool(false);
    pos += c.bytes;
  }
  return Value::Bool(!text.empty());
}

template <bool kUpper>
Result<Value> IsCase(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("is", args, {}, 0));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(self.AsText().size()));
  const std::string upper = Upper(self.AsText()), lower = Lower(self.AsText());
  return Value::Bool(self.AsText() == (kUpper ? upper : lower) && upper != lower);
}

struct Entry {
  std::string_view name;
  MethodFunction function;
};
constexpr Entry kMethods[] = {
    {"strip", Strip<true, true>},
    {"lstrip", Strip<true, false>},
    {"rstrip", Strip<false, true>},
    {"split", Split<false>},
    {"rsplit", Split<true>},
    {"splitlines", SplitIntoLines},
    {"startswith", StartsOrEnds<true>},
    {"endswith", StartsOrEnds<false>},
    {"replace", Replace},
    {"title", MapText<TitleCase>},
    {"upper", MapText<Upper>},
    {"lower", MapText<Lower>},
    {"capitalize", MapText<Capitalize>},
    {"find", Find<false, false>},
    {"rfind", Find<true, false>},
    {"index", Find<false, true>},
    {"rindex", Find<true, true>},
    {"count", Count},
    {"join", Join},
    {"removeprefix", RemoveAffix<true>},
    {"removesuffix", RemoveAffix<false>},
    {"partition", Partition<false>},
    {"rpartition", Partition<true>},
    {"isdigit", IsAll<IsDecimalDigit>},
    {"isdecimal", IsAll<IsDecimalDigit>},
    {"isnumeric", IsAll<IsDecimalDigit>},
    {"isalpha", IsAll<IsAlphabetic>},
    {"isalnum", IsAll<IsAlphanumeric>},
    {"isspace", IsAll<IsSpace>},
    {"isupper", IsCase<true>},
    {"islower", IsCase<false>},
};

}  // namespace

MethodFunction FindTextMethod(std::string_view name) {
  for (const Entry& entry : kMethods) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace hew::jinja
