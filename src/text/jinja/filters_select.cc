// Filters that call filters and tests on each item.
#include <algorithm>

#include "text/jinja/attribute_path.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"
#include "text/jinja/predicates.h"

namespace hew::jinja {
namespace {

// The arguments after the first `count`.
CallArguments Rest(const CallArguments& args, size_t count) {
  CallArguments rest = args;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, rest.positional.size())));
  return rest;
}

Result<std::string> NameArgument(const CallArguments& args, size_t i, std::string_view what) {
  if (!args.positional[i].Is(Kind::kText)) {
    return BadInput("expected the name of a {}, found {}", what, TypeName(args.positional[i]));
  }
  return args.positional[i].AsText();
}

Result<Value> Map(Evaluator& e, const Value& input, const CallArguments& args) {
  std::vector<Value> mapped;
  if (args.positional.empty() && args.Named("attribute") != nullptr) {
    HEW_ASSIGN(const auto bound, BoundArguments::Bind("map", args, {"attribute", "default"}, 1));
    HEW_ASSIGN(const auto path, AttributePath::Parse(bound[0]));
    HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
    for (const Value& item : items) {
      HEW_ASSIGN(Value value, path.Get(e, item, bound.Given(1) ? &bound[1] : nullptr));
      mapped.push_back(std::move(value));
    }
    return e.MakeList(std::move(mapped), Sequence::Type::kIterator);
  }
  if (args.positional.empty()) return BadInput("expected a filter or attribute=");
  HEW_ASSIGN(const std::string name, NameArgument(args, 0, "filter"));
  if (!IsFilter(name)) return BadInput("no filter named '{}'", name);
  constexpr size_t kMaxArguments = 20;  // each may name map again: it bounds the recursion
  if (args.positional.size() > kMaxArguments) return BadInput("expected at most {} arguments", kMaxArguments);
  const CallArguments rest = Rest(args, 1);
  HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
  for (const Value& item : items) {
    HEW_RETURN_IF_ERROR(e.budget()->Charge(1));
    HEW_ASSIGN(Value value, ApplyFilter(e, name, item, rest));
    mapped.push_back(std::move(value));
  }
  return e.MakeList(std::move(mapped), Sequence::Type::kIterator);
}

template <bool kKeep, bool kByAttribute>
Result<Value> Select(Evaluator& e, const Value& input, const CallArguments& args) {
  const size_t skip = kByAttribute ? 1 : 0;
  if (args.positional.size() < skip) return BadInput("expected the name of an attribute");
  HEW_ASSIGN(const auto path, AttributePath::Parse(kByAttribute ? args.positional[0] : Value::None()));
  const bool has_test = args.positional.size() > skip;
  std::string test;
  if (has_test) {
    HEW_ASSIGN(test, NameArgument(args, skip, "test"));
    if (!IsPredicate(test)) return BadInput("no test named '{}'", test);
  }
  const CallArguments rest = Rest(args, skip + 1);
  std::vector<Value> kept;
  if (Truth(input)) {
    HEW_ASSIGN(const auto items, Iterate(input, e.budget()));
    for (const Value& item : items) {
      HEW_ASSIGN(const Value value, path.Get(e, item));
      bool holds = Truth(value);
      if (has_test) {
        HEW_ASSIGN(holds, ApplyPredicate(e, test, value, rest));
      }
      if (holds == kKeep) kept.push_back(item);
    }
  }
  return e.MakeList(std::move(kept), Sequence::Type::kIterator);
}

// A list of (grouper, list) tuples, by the attribute's order.
Result<Value> GroupBy(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("groupby", args, {"attribute", "default", "case_sensitive"}, 1));
  HEW_ASSIGN(const auto path, AttributePath::Parse(bound[0]));
  HEW_ASSIGN(auto items, Iterate(input, e.budget()));
  const auto key_of = [&](const Value& item) -> Result<Value> {
    HEW_ASSIGN(const Value value, path.Get(e, item, bound.Given(1) ? &bound[1] : nullptr));
    return CaseKey(e, value, bound.Flag(2, false));
  };
  std::vector<Value> keys;
  for (const Value& item : items) {
    HEW_ASSIGN(Value key, key_of(item));
    keys.push_back(std::move(key));
  }
  HEW_RETURN_IF_ERROR(SortByKeys(e, keys, false, &items));
  std::vector<Value> groups;
  for (size_t i = 0; i < items.size();) {
    HEW_ASSIGN(const Value key, key_of(items[i]));
    HEW_ASSIGN(Value grouper, path.Get(e, items[i], bound.Given(1) ? &bound[1] : nullptr));
    std::vector<Value> group;
    for (; i < items.size(); ++i) {
      HEW_ASSIGN(const Value other, key_of(items[i]));
      HEW_ASSIGN(const bool same, Equal(key, other, e.budget()));
      if (!same) break;
      group.push_back(items[i]);
    }
    HEW_ASSIGN(Value list, e.MakeList(std::move(group)));
    HEW_ASSIGN(Value pair, e.MakeList({std::move(grouper), std::move(list)}, Sequence::Type::kTuple));
    groups.push_back(std::move(pair));
  }
  return e.MakeList(std::move(groups));
}

Result<Value> Attr(Evaluator& e, const Value& input, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("attr", args, {"name"}, 1));
  HEW_ASSIGN(const std::string name, bound.Text(0, ""));
  if (input.Is(Kind::kDict) && name.substr(0, 2) != "__") {  // attributes only, never a dictionary's keys
    if (input.AsDict().FindText(name) != nullptr) return Value::MakeUndefined("'dict object' has no attribute");
  }
  return e.GetAttribute(input, name);
}

constexpr FilterEntry kFilters[] = {
    {"map", Map},
    {"select", Select<true, false>},
    {"reject", Select<false, false>},
    {"selectattr", Select<true, true>},
    {"rejectattr", Select<false, true>},
    {"groupby", GroupBy},
    {"attr", Attr},
};

}  // namespace

FilterFunction FindSelectFilter(std::string_view name) {
  for (const FilterEntry& entry : kFilters) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace hew::jinja
