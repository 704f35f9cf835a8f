// Filters on lists, dictionaries and other things to walk over.
#include <algorithm>
#include <unordered_set>

#include "text/jinja/attribute_path.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

Result<Value> LengthOf(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("length", args, {}, 0));
  if (input.Is(Kind::kText)) HEW_RETURN_IF_ERROR(e.budget()->ChargeScan(input.AsText().size()));
  HEW_ASSIGN(const int64_t length, Length(input));
  return Value::Int(length);
}

Result<Value> List(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("list", args, {}, 0));
  HEW_ASSIGN(auto items, Iterate(input, e.budget()));
  return MakeSequence(Sequence::Type::kList, std::move(items));
}

Result<Value> Items(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("items", args, {}, 0));
  std::vector<Value> pairs;
  if (!input.Is(Kind::kUndefined)) {
    if (!input.Is(Kind::kDict)) return BadInput("can only get item pairs from a mapping, not {}", TypeName(input));
    for (const auto& [key, value] : input.AsDict().entries) {
      HEW_ASSIGN(Value pair, e.MakeList({key, value}, Sequence::Type::kTuple));
      pairs.push_back(std::move(pair));
    }
  }
  return e.MakeList(std::move(pairs), Sequence::Type::kIterator);
}

Result<Value> First(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("first", args, {}, 0));
  if (input.Is(Kind::kSequence) && input.AsSequence().type == Sequence::Type::kIterator) {
    Sequence& sequence = input.AsSequence();  // takes one, and leaves the rest
    if (sequence.consumed < sequence.items.size()) return sequence.items[sequence.consumed++];
    return Value::MakeUndefined("no first item, sequence was empty");
  }
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  return items.empty() ? Value::MakeUndefined("no first item, sequence was empty") : items.front();
}

Result<Value> Last(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("last", args, {}, 0));
  if (input.Is(Kind::kSequence) && input.AsSequence().type == Sequence::Type::kIterator) {
    return BadInput("'generator' object is not reversible");
  }
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  return items.empty() ? Value::MakeUndefined("no last item, sequence was empty") : items.back();
}

Result<Value> Join(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("join", args, {"d", "attribute"}, 0));
  MarkedText separator;
  if (bound.Has(0)) {
    HEW_ASSIGN(separator, ToText(bound[0], e.budget()));
  }
  HEW_ASSIGN(const auto path, AttributePath::Parse(bound.Has(1) ? bound[1] : Value::None()));
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  MarkedText out;
  for (size_t i = 0; i < items.size(); ++i) {
    HEW_ASSIGN(const Value item, path.Get(e, items[i]));
    HEW_ASSIGN(const MarkedText text, ToText(item, e.budget()));
    if (i > 0) out.Append(separator);
    out.Append(text);
    HEW_RETURN_IF_ERROR(e.budget()->Charge(static_cast<int64_t>((text.size() + separator.size()) / 256)));
    if (out.size() > static_cast<uint64_t>(e.limits().max_output_bytes)) break;  // refused below
  }
  return e.MakeText(std::move(out));
}

Result<Value> Default(Evaluator&, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("default", args, {"default_value", "boolean"}, 0));
  const bool replace = input.Is(Kind::kUndefined) || (bound.Flag(1, false) && !Truth(input));
  if (!replace) return input;
  return bound.Has(0) ? bound[0] : Value::FromText("");
}

Result<Value> Sort(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("sort", args, {"reverse", "case_sensitive", "attribute"}, 0));
  // "a,b" sorts by a, then by b.
  std::vector<AttributePath> paths;
  if (bound.Has(2) && bound[2].Is(Kind::kText)) {
    std::string_view rest = bound[2].AsText();
    for (size_t comma = 0; comma != std::string_view::npos; rest = rest.substr(comma + 1)) {
      comma = rest.find(',');
      HEW_ASSIGN(auto path, AttributePath::Parse(Value::FromText(std::string(rest.substr(0, comma)))));
      paths.push_back(std::move(path));
      if (comma == std::string_view::npos) break;
    }
  } else {
    HEW_ASSIGN(auto path, AttributePath::Parse(bound.Has(2) ? bound[2] : Value::None()));
    paths.push_back(std::move(path));
  }
  HEW_ASSIGN(auto items, Iterate(input, e.budget()));
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> parts;
    for (const AttributePath& path : paths) {
      HEW_ASSIGN(const Value part, path.Get(e, item));
      HEW_ASSIGN(Value key, CaseKey(e, part, bound.Flag(1, false)));
      parts.push_back(std::move(key));
    }
    HEW_ASSIGN(Value key, e.MakeList(std::move(parts)));
    keys.push_back(std::move(key));
  }
  HEW_RETURN_IF_ERROR(SortByKeys(e, keys, bound.Flag(0, false), &items));
  return MakeSequence(Sequence::Type::kList, std::move(items));
}

Result<Value> Unique(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("unique", args, {"case_sensitive", "attribute"}, 0));
  HEW_ASSIGN(const auto path, AttributePath::Parse(bound.Has(1) ? bound[1] : Value::None()));
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  std::unordered_set<std::string> seen;
  std::vector<Value> kept;
  for (const Value& item : items) {
    HEW_ASSIGN(const Value part, path.Get(e, item));
    HEW_ASSIGN(const Value key, CaseKey(e, part, bound.Flag(0, false)));
    HEW_ASSIGN(std::string hashed, HashKey(key));
    HEW_RETURN_IF_ERROR(e.budget()->ChargeText(hashed.size()));
    if (seen.insert(std::move(hashed)).second) kept.push_back(item);
  }
  return e.MakeList(std::move(kept), Sequence::Type::kIterator);
}

Result<Value> DictSort(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("dictsort", args, {"case_sensitive", "by", "reverse"}, 0));
  HEW_ASSIGN(const std::string by, bound.Text(1, "key"));
  if (by != "key" && by != "value") return BadInput("expected by='key' or by='value', found '{}'", by);
  if (!input.Is(Kind::kDict)) return BadInput("expected a dict, found {}", TypeName(input));
  std::vector<Value> keys, pairs;
  for (const auto& [key, value] : input.AsDict().entries) {
    HEW_ASSIGN(Value sort_key, CaseKey(e, by == "key" ? key : value, bound.Flag(0, false)));
    keys.push_back(std::move(sort_key));
    HEW_ASSIGN(Value pair, e.MakeList({key, value}, Sequence::Type::kTuple));
    pairs.push_back(std::move(pair));
  }
  HEW_RETURN_IF_ERROR(SortByKeys(e, keys, bound.Flag(2, false), &pairs));
  return e.MakeList(std::move(pairs));
}

Result<Value> Reverse(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("reverse", args, {}, 0));
  if (input.Is(Kind::kText)) {
    return Slice(input, Value::None(), Value::None(), Value::Int(-1), e.budget());
  }
  HEW_ASSIGN(auto items, Iterate(input, e.budget()));
  std::reverse(items.begin(), items.end());
  const bool once = input.Is(Kind::kSequence) && input.AsSequence().type == Sequence::Type::kIterator;
  return MakeSequence(once ? Sequence::Type::kList : Sequence::Type::kIterator, std::move(items));
}

Result<Value> Batch(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("batch", args, {"linecount", "fill_with"}, 1));
  HEW_ASSIGN(const int64_t size, bound.Int(0, 1));
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  std::vector<Value> batches, batch;
  for (const Value& item : items) {
    if (static_cast<int64_t>(batch.size()) == size) {
      HEW_ASSIGN(Value full, e.MakeList(std::exchange(batch, {})));
      batches.push_back(std::move(full));
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    if (bound.Given(1) && size > static_cast<int64_t>(batch.size())) {
      HEW_RETURN_IF_ERROR(e.budget()->ChargeItems(static_cast<size_t>(size)));
      batch.resize(static_cast<size_t>(size), bound[1]);
    }
    HEW_ASSIGN(Value last, e.MakeList(std::move(batch)));
    batches.push_back(std::move(last));
  }
  return e.MakeList(std::move(batches), Sequence::Type::kIterator);
}

Result<Value> SliceInto(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("slice", args, {"slices", "fill_with"}, 1));
  HEW_ASSIGN(const int64_t slices, bound.Int(0, 1));
  if (slices <= 0 || slices > e.limits().max_range) {
    return BadInput("expected 1 to {} slices, found {}", e.limits().max_range, slices);
  }
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeItems(static_cast<size_t>(slices) * 4));
  const auto count = static_cast<int64_t>(items.size());
  const int64_t per_slice = count / slices;
  const int64_t with_extra = count % slices;
  std::vector<Value> out;
  auto from = items.begin();
  for (int64_t i = 0; i < slices; ++i) {
    const auto to = from + static_cast<std::ptrdiff_t>(per_slice + (i < with_extra ? 1 : 0));
    std::vector<Value> part(from, to);
    if (bound.Given(1) && i >= with_extra && with_extra > 0) part.push_back(bound[1]);
    from = to;
    HEW_ASSIGN(Value list, e.MakeList(std::move(part)));
    out.push_back(std::move(list));
  }
  return e.MakeList(std::move(out), Sequence::Type::kIterator);
}

Result<Value> Sum(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("sum", args, {"attribute", "start"}, 0));
  HEW_ASSIGN(const auto path, AttributePath::Parse(bound.Has(0) ? bound[0] : Value::None()));
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  Value sum = bound.Has(1) ? bound[1] : Value::Int(0);
  for (const Value& item : items) {
    HEW_ASSIGN(const Value part, path.Get(e, item));
    HEW_ASSIGN(sum, Arithmetic(Operator::kAdd, sum, part, e.budget()));
  }
  return sum;
}

template <bool kMax>
Result<Value> Extreme(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind(kMax ? "max" : "min", args, {"case_sensitive", "attribute"}, 0));
  HEW_ASSIGN(const auto path, AttributePath::Parse(bound.Has(1) ? bound[1] : Value::None()));
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  Value best = Value::MakeUndefined("no aggregated item, sequence was empty");
  Value best_key;
  for (size_t i = 0; i < items.size(); ++i) {
    HEW_ASSIGN(const Value part, path.Get(e, items[i]));
    HEW_ASSIGN(Value key, CaseKey(e, part, bound.Flag(0, false)));
    if (i > 0) {
      HEW_ASSIGN(const auto order, Order(key, best_key, e.budget()));
      if (kMax ? !(order > 0) : !(order < 0)) continue;
    }
    best = items[i];
    best_key = std::move(key);
  }
  return best;
}

constexpr FilterEntry kFilters[] = {
    {"length", LengthOf}, {"count", LengthOf},    {"list", List},          {"items", Items}, {"first", First},
    {"last", Last},       {"join", Join},         {"default", Default},    {"d", Default},   {"sort", Sort},
    {"unique", Unique},   {"dictsort", DictSort}, {"reverse", Reverse},    {"batch", Batch}, {"slice", SliceInto},
    {"sum", Sum},         {"max", Extreme<true>}, {"min", Extreme<false>},
};

}  // namespace

FilterFunction FindSequenceFilter(std::string_view name) {
  for (const FilterEntry& entry : kFilters) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace hew::jinja
