// What a template may reach in a value: never a host object, never what begins with two underscores.
#include "text/jinja/evaluator.h"
#include "text/jinja/methods.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {
namespace {

Value BoundMethod(const Value& object, std::string_view name) {
  auto method = std::make_shared<Callable>();
  method->type = Callable::Type::kMethod;
  method->name = name;
  method->self = object;
  return Value::From(std::move(method));
}

Value Missing(const Value& object, std::string_view name) {
  constexpr size_t kShownBytes = 100;
  name = name.substr(0, kShownBytes);
  return Value::MakeUndefined(fmt::format("'{} object' has no attribute {}", TypeName(object), QuotePython(name)));
}

std::optional<Value> CallableAttribute(const Callable& callable, std::string_view name) {
  if (callable.type == Callable::Type::kMacro && name == "name") return Value::FromText(callable.name);
  if (callable.type == Callable::Type::kJoiner && name == "sep") return callable.self;
  if (callable.type == Callable::Type::kCycler && name == "current") {
    const auto& items = callable.self.AsSequence().items;
    return items[callable.used % items.size()];
  }
  return std::nullopt;
}

}  // namespace

Result<Value> Evaluator::GetAttribute(const Value& object, std::string_view name) {
  if (object.Is(Kind::kUndefined)) return BadInput("{}", object.UndefinedMessage());
  HEW_RETURN_IF_ERROR(budget_.ChargeScan(name.size()));
  if (HasMethod(object, name)) return BoundMethod(object, name);
  if (object.Is(Kind::kDict)) {
    if (const Value* found = object.AsDict().FindText(name)) return *found;
  }
  if (object.Is(Kind::kNamespace)) {
    HEW_RETURN_IF_ERROR(budget_.Charge(static_cast<int64_t>(object.AsNamespace().attributes.size() / 64)));
    if (const Value* found = object.AsNamespace().Find(name)) return *found;
  }
  const bool is_mapping = object.Is(Kind::kDict) || object.Is(Kind::kNamespace);
  if (name.substr(0, 2) == "__" || (name.substr(0, 1) == "_" && !is_mapping) || IsMutatingMethod(object, name)) {
    return BadInput("access to attribute {} of '{}' object is unsafe", QuotePython(name.substr(0, 100)),
                    TypeName(object));
  }
  if (object.Is(Kind::kLoop)) {
    HEW_ASSIGN(auto found, object.AsLoop().Attribute(name));
    if (found) return *std::move(found);
  }
  if (object.Is(Kind::kCallable)) {
    if (auto found = CallableAttribute(object.AsCallable(), name)) return *std::move(found);
  }
  if (object.Is(Kind::kSequence) && object.AsSequence().type == Sequence::Type::kRange) {
    const auto& range = object.AsSequence().range;
    if (name == "start" || name == "stop" || name == "step") {
      return Value::Int(range[name == "start" ? 0 : name == "stop" ? 1 : 2]);
    }
  }
  return Missing(object, name);
}

Result<Value> Evaluator::GetItem(const Value& object, const Value& key) {
  if (key.Is(Kind::kText)) HEW_RETURN_IF_ERROR(budget_.ChargeScan(key.AsText().size()));
  switch (object.kind()) {
    case Kind::kUndefined:
      return BadInput("{}", object.UndefinedMessage());
    case Kind::kDict:
      if (const auto found = object.AsDict().Find(key); found && *found != nullptr) return **found;
      break;
    case Kind::kSequence:
      if (object.AsSequence().Indexable() && key.IsIntegral()) {
        const auto& items = object.AsSequence().items;
        const auto size = static_cast<int64_t>(items.size());
        const int64_t i = key.AsInt() < 0 ? key.AsInt() + size : key.AsInt();
        if (i >= 0 && i < size) return items[static_cast<size_t>(i)];
      }
      break;
    case Kind::kText:
      if (key.IsIntegral()) {
        const std::string& text = object.AsText();
        HEW_RETURN_IF_ERROR(budget_.ChargeScan(text.size() * 8));
        const auto offsets = CodePointOffsets(text);
        const auto size = static_cast<int64_t>(offsets.size()) - 1;
        const int64_t i = key.AsInt() < 0 ? key.AsInt() + size : key.AsInt();
        if (i >= 0 && i < size) {
          const size_t begin = offsets[static_cast<size_t>(i)];
          const size_t bytes = offsets[static_cast<size_t>(i) + 1] - begin;
          return Value::FromText(object.AsMarkedText().Part(std::string_view(text).substr(begin, bytes)),
                                 object.IsSafeText());
        }
      }
      break;
    default:
      break;
  }
  if (key.Is(Kind::kText)) {
    // A dictionary's own key was looked for already; what is left are methods and attributes.
    if (HasMethod(object, key.AsText()) || !object.Is(Kind::kDict)) return GetAttribute(object, key.AsText());
    if (key.AsText().substr(0, 2) == "__") return GetAttribute(object, key.AsText());
    return Missing(object, key.AsText());
  }
  HEW_ASSIGN(const MarkedText repr, Repr(key, &budget_));
  std::string printed = repr.bytes();
  if (printed.size() > 100) printed = std::string(TypeName(key));
  return Value::MakeUndefined(fmt::format("{} object has no element {}", TypeName(object), printed));
}

}  // namespace hew::jinja
