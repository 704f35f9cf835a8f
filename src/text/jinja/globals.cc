#include "text/jinja/globals.h"

#include "text/jinja/clock.h"
#include "text/jinja/evaluator.h"

namespace hew::jinja {
namespace {

Result<Value> Range(Evaluator& e, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("range", args, {"start", "stop", "step"}, 1));
  HEW_ASSIGN(const int64_t first, bound.Int(0, 0));
  HEW_ASSIGN(const int64_t second, bound.Int(1, 0));
  HEW_ASSIGN(const int64_t step, bound.Int(2, 1));
  const int64_t start = bound.Has(1) ? first : 0;
  const int64_t stop = bound.Has(1) ? second : first;
  if (step == 0) return BadInput("range: the step must not be zero");
  // In 128 bits nothing here can overflow.
  const __int128 distance = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  const __int128 stride = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  const __int128 count = distance > 0 ? (distance + stride - 1) / stride : 0;
  if (count > e.limits().max_range) return BadInput("range: expected at most {} items", e.limits().max_range);
  HEW_RETURN_IF_ERROR(e.budget()->ChargeItems(static_cast<size_t>(count)));
  auto sequence = std::make_shared<Sequence>();
  sequence->type = Sequence::Type::kRange;
  sequence->range[0] = start;
  sequence->range[1] = stop;
  sequence->range[2] = step;
  sequence->items.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) {
    sequence->items.push_back(
        Value::Int(static_cast<int64_t>(static_cast<__int128>(start) + static_cast<__int128>(step) * i)));
  }
  return Value::From(std::move(sequence));
}

// dict(mapping or pairs, name=value, ...)
Result<std::shared_ptr<Dict>> BuildDict(Evaluator& e, const CallArguments& args) {
  if (args.positional.size() > 1) return BadInput("dict: expected at most 1 argument");
  auto dict = std::make_shared<Dict>();
  if (!args.positional.empty() && args.positional[0].Is(Kind::kDict)) {
    HEW_RETURN_IF_ERROR(e.budget()->ChargeItems(args.positional[0].AsDict().entries.size() * 4));
    *dict = args.positional[0].AsDict();
  } else if (!args.positional.empty()) {
    HEW_ASSIGN(const auto pairs, Iterate(args.positional[0], e.budget()));
    for (const Value& pair : pairs) {
      HEW_ASSIGN(auto parts, Iterate(pair, e.budget()));
      if (parts.size() != 2) return BadInput("dict: expected pairs, found {} values", parts.size());
      HEW_RETURN_IF_ERROR(dict->Set(parts[0], std::move(parts[1])));
    }
  }
  for (const auto& [name, value] : args.named) HEW_RETURN_IF_ERROR(dict->Set(ArgumentName(name), value));
  return dict;
}

Result<Value> MakeDict(Evaluator& e, const CallArguments& args) {
  HEW_ASSIGN(auto dict, BuildDict(e, args));
  return Value::From(std::shared_ptr<const Dict>(std::move(dict)));
}

Result<Value> MakeNamespace(Evaluator& e, const CallArguments& args) {
  HEW_RETURN_IF_ERROR(e.budget()->Charge(2));
  HEW_ASSIGN(const auto dict, BuildDict(e, args));
  auto ns = e.NewNamespace();
  for (const auto& [key, value] : dict->entries) {
    if (key.Is(Kind::kText)) ns->attributes.emplace_back(key.AsText(), value);
  }
  return Value::From(std::move(ns));
}

Result<Value> MakeJoiner(Evaluator&, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("joiner", args, {"sep"}, 0));
  auto joiner = std::make_shared<Callable>();
  joiner->type = Callable::Type::kJoiner;
  joiner->name = "joiner";
  joiner->self = bound.Has(0) ? bound[0] : Value::FromText(", ");
  if (joiner->self.Nesting() >= kMaxNesting) return BadInput("joiner: values nest too deep");
  return Value::From(std::move(joiner));
}

Result<Value> MakeCycler(Evaluator& e, const CallArguments& args) {
  if (args.positional.empty() || !args.named.empty()) return BadInput("cycler: expected at least one item");
  auto cycler = std::make_shared<Callable>();
  cycler->type = Callable::Type::kCycler;
  cycler->name = "cycler";
  HEW_ASSIGN(cycler->self, e.MakeList(args.positional));
  return Value::From(std::move(cycler));
}

Result<Value> RaiseException(Evaluator& e, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("raise_exception", args, {"message"}, 1));
  HEW_ASSIGN(const MarkedText message, ToText(bound[0], e.budget()));
  constexpr size_t kMaxMessageBytes = 2000;
  return BadInput("{}", std::string_view(message.bytes()).substr(0, kMaxMessageBytes));
}

Result<Value> StrftimeNow(Evaluator& e, const CallArguments& args) {
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("strftime_now", args, {"format"}, 1));
  HEW_ASSIGN(const std::string format, bound.Text(0, ""));
  HEW_RETURN_IF_ERROR(e.budget()->ChargeText(format.size() * 12));  // the longest directive: %c
  return e.MakeText(MarkedText(FormatClock(e.clock(), format), bound[0].AsMarkedText().has_data()));
}

using GlobalFunction = Result<Value> (*)(Evaluator&, const CallArguments&);
struct Entry {
  std::string_view name;
  GlobalFunction function;
};
constexpr Entry kGlobals[] = {
    {"range", Range},
    {"dict", MakeDict},
    {"namespace", MakeNamespace},
    {"joiner", MakeJoiner},
    {"cycler", MakeCycler},
    {"raise_exception", RaiseException},
    {"strftime_now", StrftimeNow},
};

}  // namespace

bool IsGlobal(std::string_view name) {
  for (const Entry& entry : kGlobals) {
    if (entry.name == name) return true;
  }
  return false;
}

Result<Value> CallGlobal(Evaluator& evaluator, std::string_view name, const CallArguments& arguments) {
  for (const Entry& entry : kGlobals) {
    if (entry.name == name) return entry.function(evaluator, arguments);
  }
  return BadInput("no function named '{}'", name);
}

}  // namespace hew::jinja
