#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/callable.h"
#include "text/jinja/loop.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {

Value Value::MakeUndefined(std::string message) {
  return Value(Data(Undefined{std::make_shared<const std::string>(std::move(message))}));
}

Value Value::FromText(MarkedText text, bool safe) {
  return Value(Data(std::make_shared<const hew::jinja::Text>(hew::jinja::Text{std::move(text), safe})));
}

std::string Value::UndefinedMessage() const {
  const auto& undefined = std::get<Undefined>(data_);
  return undefined.message ? *undefined.message : "the value is undefined";
}

bool Value::SameAs(const Value& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kBool:
      return AsBool() == other.AsBool();
    case Kind::kInt:
      return AsInt() == other.AsInt();
    case Kind::kFloat:
      return AsDouble() == other.AsDouble();
    case Kind::kText:
      return AsText() == other.AsText();
    case Kind::kSequence:
      return &AsSequence() == &other.AsSequence();
    case Kind::kDict:
      return &AsDict() == &other.AsDict();
    case Kind::kNamespace:
      return &AsNamespace() == &other.AsNamespace();
    case Kind::kCallable:
      return &AsCallable() == &other.AsCallable();
    case Kind::kLoop:
      return &AsLoop() == &other.AsLoop();
  }
  return false;
}

int Value::Nesting() const {
  switch (kind()) {
    case Kind::kSequence:
      return AsSequence().nesting;
    case Kind::kDict:
      return AsDict().nesting;
    case Kind::kCallable:
      return 1 + AsCallable().self.Nesting();
    case Kind::kLoop:
      return AsLoop().Nesting();
    default:
      return 0;  // a namespace starts anew: the rendering owns it, so it makes no chain
  }
}

static tl::unexpected<Error> TooDeep() { return BadInput("values nest more than {} levels deep", kMaxNesting); }

Result<Value> MakeSequence(Sequence::Type type, std::vector<Value> items) {
  auto sequence = std::make_shared<Sequence>();
  for (const Value& item : items) sequence->nesting = std::max(sequence->nesting, item.Nesting() + 1);
  if (sequence->nesting > kMaxNesting) return TooDeep();
  sequence->type = type;
  sequence->items = std::move(items);
  return Value::From(std::move(sequence));
}

Result<const Value*> Dict::Find(const Value& key) const {
  HEW_ASSIGN(const std::string hashed, HashKey(key));
  const auto found = index_.find(hashed);
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

const Value* Dict::FindText(std::string_view key) const {
  std::string hashed = "s";
  hashed += key;
  const auto found = index_.find(hashed);
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

Status Dict::Set(const Value& key, Value value) {
  HEW_ASSIGN(std::string hashed, HashKey(key));
  nesting = std::max({nesting, value.Nesting() + 1, key.Nesting() + 1});
  if (nesting > kMaxNesting) return TooDeep();
  const auto [slot, added] = index_.try_emplace(std::move(hashed), entries.size());
  if (added) {
    entries.emplace_back(key, std::move(value));
  } else {
    entries[slot->second].second = std::move(value);
  }
  return {};
}

const Value* Namespace::Find(std::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Namespace::Set(std::string_view name, Value value) {
  for (auto& [key, old] : attributes) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  attributes.emplace_back(std::string(name), std::move(value));
}

static Status AppendHashKey(const Value& value, std::string* out) {
  constexpr size_t kMaxKeyBytes = 1 << 20;
  if (out->size() > kMaxKeyBytes) return BadInput("a key of more than {} bytes", kMaxKeyBytes);
  switch (value.kind()) {
    case Kind::kUndefined:
      *out += 'u';
      return {};
    case Kind::kNone:
      *out += 'z';
      return {};
    case Kind::kBool:
    case Kind::kInt:
      *out += 'n' + std::to_string(value.AsInt());
      return {};
    case Kind::kFloat: {
      const double d = value.AsDouble();
      if (d == std::floor(d) && std::fabs(d) < 9.2e18) {
        *out += 'n' + std::to_string(static_cast<int64_t>(d));
      } else {
        *out += 'f' + FloatRepr(d);
      }
      return {};
    }
    case Kind::kText:
      *out += 's' + value.AsText();
      return {};
    case Kind::kSequence:
      if (value.AsSequence().type == Sequence::Type::kTuple) {
        *out += 't' + std::to_string(value.AsSequence().items.size()) + ':';
        for (const Value& item : value.AsSequence().items) {
          std::string part;
          HEW_RETURN_IF_ERROR(AppendHashKey(item, &part));
          *out += std::to_string(part.size()) + ':' + part;
          if (out->size() > kMaxKeyBytes) return BadInput("a key of more than {} bytes", kMaxKeyBytes);
        }
        return {};
      }
      return BadInput("unhashable type: '{}'", TypeName(value));
    case Kind::kDict:
      return BadInput("unhashable type: 'dict'");
    case Kind::kNamespace:
      *out += fmt::format("p{}", fmt::ptr(&value.AsNamespace()));
      return {};
    case Kind::kCallable:
      *out += fmt::format("p{}", fmt::ptr(&value.AsCallable()));
      return {};
    case Kind::kLoop:
      *out += fmt::format("p{}", fmt::ptr(&value.AsLoop()));
      return {};
  }
  return {};
}

Result<std::string> HashKey(const Value& value) {
  std::string key;
  HEW_RETURN_IF_ERROR(AppendHashKey(value, &key));
  return key;
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kText:
      return "str";
    case Kind::kSequence:
      switch (value.AsSequence().type) {
        case Sequence::Type::kList:
          return "list";
        case Sequence::Type::kTuple:
          return "tuple";
        case Sequence::Type::kRange:
          return "range";
        case Sequence::Type::kIterator:
          return "generator";
        case Sequence::Type::kKeys:
          return "dict_keys";
        case Sequence::Type::kValues:
          return "dict_values";
        case Sequence::Type::kItems:
          return "dict_items";
      }
      return "sequence";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kCallable:
      return "function";
    case Kind::kLoop:
      return "LoopContext";
  }
  return "object";
}

bool Truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.AsBool();
    case Kind::kInt:
      return value.AsInt() != 0;
    case Kind::kFloat:
      return value.AsDouble() != 0;
    case Kind::kText:
      return !value.AsText().empty();
    case Kind::kSequence:
      return value.AsSequence().type == Sequence::Type::kIterator || !value.AsSequence().items.empty();
    case Kind::kDict:
      return !value.AsDict().entries.empty();
    default:
      return true;
  }
}

Result<std::vector<Value>> Iterate(const Value& value, Budget* budget) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined:
      return items;
    case Kind::kText: {
      const std::string& text = value.AsText();
      HEW_RETURN_IF_ERROR(budget->ChargeItems(text.size()));
      for (size_t pos = 0; pos < text.size();) {
        const size_t bytes = DecodeAt(text, pos).bytes;
        const auto character = std::string_view(text).substr(pos, bytes);
        items.push_back(Value::FromText(value.AsMarkedText().Part(character), value.IsSafeText()));
        pos += bytes;
      }
      return items;
    }
    case Kind::kSequence: {
      Sequence& sequence = value.AsSequence();
      HEW_RETURN_IF_ERROR(budget->ChargeItems(sequence.items.size()));
      if (sequence.type != Sequence::Type::kIterator) return sequence.items;
      items.assign(sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.consumed), sequence.items.end());
      sequence.consumed = sequence.items.size();
      return items;
    }
    case Kind::kDict:
      HEW_RETURN_IF_ERROR(budget->ChargeItems(value.AsDict().entries.size()));
      for (const auto& entry : value.AsDict().entries) items.push_back(entry.first);
      return items;
    default:
      return BadInput("'{}' object is not iterable", TypeName(value));
  }
}

Result<int64_t> Length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kText:
      return static_cast<int64_t>(CodePointCount(value.AsText()));
    case Kind::kSequence:
      if (value.AsSequence().type == Sequence::Type::kIterator) break;
      return static_cast<int64_t>(value.AsSequence().items.size());
    case Kind::kDict:
      return static_cast<int64_t>(value.AsDict().entries.size());
    default:
      break;
  }
  return BadInput("object of type '{}' has no len()", TypeName(value));
}

}  // namespace hew::jinja
