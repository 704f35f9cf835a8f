#include "text/jinja/methods.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/evaluator.h"
#include "text/jinja/loop.h"

namespace hew::jinja {
namespace {

Result<Value> DictGet(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("get", args, {"key", "default"}, 1));
  if (bound[0].Is(Kind::kText)) HEW_RETURN_IF_ERROR(e.budget()->ChargeScan(bound[0].AsText().size()));
  HEW_ASSIGN(const Value* found, self.AsDict().Find(bound[0]));
  if (found != nullptr) return *found;
  return bound.Has(1) ? bound[1] : Value::None();
}

template <Sequence::Type kType>
Result<Value> DictView(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("dict view", args, {}, 0));
  std::vector<Value> items;
  items.reserve(self.AsDict().entries.size());
  for (const auto& [key, value] : self.AsDict().entries) {
    if (kType == Sequence::Type::kItems) {
      HEW_ASSIGN(Value pair, e.MakeList({key, value}, Sequence::Type::kTuple));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kType == Sequence::Type::kKeys ? key : value);
    }
  }
  return e.MakeList(std::move(items), kType);
}

Result<Value> Copy(Evaluator&, const Value& self, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(BoundArguments::Bind("copy", args, {}, 0));
  return self;  // nothing can change it, so that it is its own copy
}

Result<Value> SequenceIndex(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("index", args, {"value"}, 1));
  const auto& items = self.AsSequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    HEW_ASSIGN(const bool same, Equal(items[i], bound[0], e.budget()));
    if (same) return Value::Int(static_cast<int64_t>(i));
  }
  return BadInput("index: the value is not in the {}", TypeName(self));
}

Result<Value> SequenceCount(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("count", args, {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.AsSequence().items) {
    HEW_ASSIGN(const bool same, Equal(item, bound[0], e.budget()));
    count += same ? 1 : 0;
  }
  return Value::Int(count);
}

Result<Value> LoopCycle(Evaluator&, const Value& self, const CallArguments& args) {
  if (args.positional.empty()) return BadInput("cycle: no items given");
  const auto i = static_cast<size_t>(std::max<int64_t>(self.AsLoop().index0(), 0));
  return args.positional[i % args.positional.size()];
}

Result<Value> LoopChanged(Evaluator& e, const Value& self, const CallArguments& args) {
  HEW_ASSIGN(const bool changed, self.AsLoop().Changed(args.positional, e.budget()));
  return Value::Bool(changed);
}

Result<Value> CyclerNext(Evaluator&, const Value& self, const CallArguments&) {
  Callable& cycler = self.AsCallable();
  const auto& items = cycler.self.AsSequence().items;
  return items[cycler.used++ % items.size()];
}

Result<Value> CyclerReset(Evaluator&, const Value& self, const CallArguments&) {
  self.AsCallable().used = 0;
  return Value::None();
}

Result<Value> FloatIsInteger(Evaluator&, const Value& self, const CallArguments&) {
  return Value::Bool(std::isfinite(self.AsDouble()) && std::floor(self.AsDouble()) == self.AsDouble());
}

struct Entry {
  std::string_view name;
  MethodFunction function;
};
constexpr Entry kDictMethods[] = {{"get", DictGet},
                                  {"items", DictView<Sequence::Type::kItems>},
                                  {"keys", DictView<Sequence::Type::kKeys>},
                                  {"values", DictView<Sequence::Type::kValues>},
                                  {"copy", Copy}};
constexpr Entry kListMethods[] = {{"index", SequenceIndex}, {"count", SequenceCount}, {"copy", Copy}};
constexpr Entry kLoopMethods[] = {{"cycle", LoopCycle}, {"changed", LoopChanged}};
constexpr Entry kCyclerMethods[] = {{"next", CyclerNext}, {"reset", CyclerReset}};
constexpr Entry kFloatMethods[] = {{"is_integer", FloatIsInteger}};

template <size_t kCount>
MethodFunction FindIn(const Entry (&entries)[kCount], std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

MethodFunction FindMethod(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::kText:
      return FindTextMethod(name);
    case Kind::kDict:
      return FindIn(kDictMethods, name);
    case Kind::kSequence:
      if (!object.AsSequence().Indexable()) return nullptr;
      if (name == "copy" && object.AsSequence().type != Sequence::Type::kList) return nullptr;
      return FindIn(kListMethods, name);
    case Kind::kLoop:
      return FindIn(kLoopMethods, name);
    case Kind::kCallable:
      return object.AsCallable().type == Callable::Type::kCycler ? FindIn(kCyclerMethods, name) : nullptr;
    case Kind::kFloat:
      return FindIn(kFloatMethods, name);
    default:
      return nullptr;
  }
}

}  // namespace

bool HasMethod(const Value& object, std::string_view name) { return FindMethod(object, name) != nullptr; }

bool IsMutatingMethod(const Value& object, std::string_view name) {
  static constexpr std::string_view kList[] = {"append", "clear",  "extend",  "insert",
                                               "pop",    "remove", "reverse", "sort"};
  static constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto contains = [name](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  if (object.Is(Kind::kDict)) return contains(kDict);
  return object.Is(Kind::kSequence) && object.AsSequence().type == Sequence::Type::kList && contains(kList);
}

Result<Value> CallMethod(Evaluator& evaluator, const Value& self, std::string_view name,
                         const CallArguments& arguments) {
  const MethodFunction function = FindMethod(self, name);
  if (function == nullptr) return BadInput("'{}' object has no method '{}'", TypeName(self), name);
  return function(evaluator, self, arguments);
}

}  // namespace hew::jinja
