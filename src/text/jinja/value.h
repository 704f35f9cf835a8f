// The values of a template: Python's, as far as a sandboxed template can tell. Texts, sequences and dictionaries are
// immutable and shared; a namespace is the only thing that a template can change.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/jinja/marked_text.h"

namespace hew::jinja {

// Work that a rendering may still do. Every operation takes from it, in proportion to what it reads or makes, so that
// time and memory are bounded together: at most 256 bytes of new text per step.
class Budget {
 public:
  Budget(int64_t steps, int64_t max_text_bytes) : left_(steps), steps_(steps), max_text_bytes_(max_text_bytes) {}
  Status Charge(int64_t steps) {
    if (steps <= left_) {
      left_ -= steps;
      return {};
    }
    left_ = 0;
    return BadInput("the template does more than {} steps", steps_);
  }
  // For making `bytes` of text.
  Status ChargeText(size_t bytes) {
    if (bytes > static_cast<uint64_t>(max_text_bytes_)) {
      return BadInput("the template makes a text longer than {} bytes", max_text_bytes_);
    }
    return Charge(1 + static_cast<int64_t>(bytes / 256));
  }
  // For looking through `bytes` of text.
  Status ChargeScan(size_t bytes) { return Charge(static_cast<int64_t>(bytes / 256)); }
  // For making a sequence of `items`.
  Status ChargeItems(size_t items) {
    return items / 4 > static_cast<uint64_t>(left_) ? Charge(left_ + 1) : Charge(1 + static_cast<int64_t>(items / 4));
  }
  int64_t max_text_bytes() const { return max_text_bytes_; }

 private:
  int64_t left_;
  int64_t steps_;
  int64_t max_text_bytes_;
};

// Containers nest at most this deep, whatever built them: it bounds every recursion over values.
inline constexpr int kMaxNesting = 200;

class Value;
struct Text {
  MarkedText marked;
  bool safe = false;  // Python's Markup: adding unsafe text escapes it
};
struct Undefined {
  std::shared_ptr<const std::string> message;  // what an operation on it says; null for a plain "undefined"
};
struct Sequence;
struct Dict;
struct Namespace;
struct Callable;
class Loop;

enum class Kind { kUndefined, kNone, kBool, kInt, kFloat, kText, kSequence, kDict, kNamespace, kCallable, kLoop };

class Value {
 public:
  Value() : data_(Undefined{}) {}
  static Value MakeUndefined(std::string message);
  static Value None() { return Value(Data(std::monostate{})); }
  static Value Bool(bool b) { return Value(Data(b)); }
  static Value Int(int64_t i) { return Value(Data(i)); }
  static Value Float(double d) { return Value(Data(d)); }
  static Value FromText(MarkedText text, bool safe = false);
  // The template's own text.
  static Value FromText(std::string bytes, bool safe = false) { return FromText(MarkedText(std::move(bytes)), safe); }
  static Value From(std::shared_ptr<Sequence> s) { return Value(Data(std::move(s))); }
  static Value From(std::shared_ptr<const Dict> d) { return Value(Data(std::move(d))); }
  static Value From(std::shared_ptr<Namespace> n) { return Value(Data(std::move(n))); }
  static Value From(std::shared_ptr<Callable> c) { return Value(Data(std::move(c))); }
  static Value From(std::shared_ptr<Loop> l) { return Value(Data(std::move(l))); }

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool Is(Kind k) const { return kind() == k; }
  bool IsNumber() const { return Is(Kind::kBool) || Is(Kind::kInt) || Is(Kind::kFloat); }
  bool IsIntegral() const { return Is(Kind::kBool) || Is(Kind::kInt); }

  // Each needs the kind that it names.
  bool AsBool() const { return std::get<bool>(data_); }
  int64_t AsInt() const { return Is(Kind::kBool) ? (AsBool() ? 1 : 0) : std::get<int64_t>(data_); }  // bool or int
  double AsDouble() const { return Is(Kind::kFloat) ? std::get<double>(data_) : static_cast<double>(AsInt()); }
  const std::string& AsText() const { return AsMarkedText().bytes(); }
  const MarkedText& AsMarkedText() const { return std::get<std::shared_ptr<const Text>>(data_)->marked; }
  bool IsSafeText() const { return Is(Kind::kText) && std::get<std::shared_ptr<const Text>>(data_)->safe; }
  Sequence& AsSequence() const { return *std::get<std::shared_ptr<Sequence>>(data_); }
  const Dict& AsDict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Namespace& AsNamespace() const { return *std::get<std::shared_ptr<Namespace>>(data_); }
  Callable& AsCallable() const { return *std::get<std::shared_ptr<Callable>>(data_); }
  Loop& AsLoop() const { return *std::get<std::shared_ptr<Loop>>(data_); }
  std::shared_ptr<Loop> LoopPointer() const { return std::get<std::shared_ptr<Loop>>(data_); }
  // Why it is undefined.
  std::string UndefinedMessage() const;
  // The same object (Python's `is`).
  bool SameAs(const Value& other) const;
  // Levels of containers in it: 0 for a number or text.
  int Nesting() const;

 private:
  using Data = std::variant<Undefined, std::monostate, bool, int64_t, double, std::shared_ptr<const Text>,
                            std::shared_ptr<Sequence>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                            std::shared_ptr<Callable>, std::shared_ptr<Loop>>;
  explicit Value(Data data) : data_(std::move(data)) {}
  Data data_;
};

// Everything that Python can iterate over besides texts and dictionaries.
struct Sequence {
  enum class Type { kList, kTuple, kRange, kIterator, kKeys, kValues, kItems };
  Type type = Type::kList;
  std::vector<Value> items;
  size_t consumed = 0;           // kIterator: how many are gone; it can be walked once
  int64_t range[3] = {0, 0, 1};  // kRange: start, stop, step
  int nesting = 1;

  // list, tuple, range: has a length and can be indexed.
  bool Indexable() const { return type == Type::kList || type == Type::kTuple || type == Type::kRange; }
};

// Insertion-ordered. Equal numbers (1, 1.0, True) are one key, as in Python.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  int nesting = 1;

  // Null if the key is absent; an error if it cannot be a key (a list).
  Result<const Value*> Find(const Value& key) const;
  const Value* FindText(std::string_view key) const;
  // Adds or replaces. An error for a key that Python cannot hash, or values nested too deep.
  Status Set(const Value& key, Value value);

 private:
  std::unordered_map<std::string, size_t> index_;  // HashKey -> position in entries
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
  const Value* Find(std::string_view name) const;
  void Set(std::string_view name, Value value);
};

// An error where the items nest too deep.
Result<Value> MakeSequence(Sequence::Type type, std::vector<Value> items);

// A text that is the same for equal hashable values; an error for lists and dictionaries.
Result<std::string> HashKey(const Value& value);

// "str", "int", "list", ...: Python's type names.
std::string_view TypeName(const Value& value);
bool Truth(const Value& value);
// str(value) and repr(value). Namespaces and shared containers may print far larger than they are: bounded by `budget`.
Result<MarkedText> ToText(const Value& value, Budget* budget);
Result<MarkedText> Repr(const Value& value, Budget* budget);
// ==
Result<bool> Equal(const Value& a, const Value& b, Budget* budget);
// How <, <=, > and >= see a and b; an error for types that have no order.
Result<std::partial_ordering> Order(const Value& a, const Value& b, Budget* budget);
// `needle in haystack`.
Result<bool> Contains(const Value& haystack, const Value& needle, Budget* budget);
// What `for` walks: list items, dictionary keys, characters; an iterator is consumed. An error for anything else.
Result<std::vector<Value>> Iterate(const Value& value, Budget* budget);
// len(value)
Result<int64_t> Length(const Value& value);

}  // namespace hew::jinja
