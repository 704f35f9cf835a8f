// Things that a template can call, and the arguments of a call.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace hew::jinja {

struct MacroDecl;
struct Scope;

struct Callable {
  enum class Type {
    kMacro,     // {% macro %}, or the body of {% call %}
    kMethod,    // a method of `self`
    kFunction,  // a global: range, namespace, ...
    kJoiner,    // joiner(): nothing the first time, then its separator
    kCycler,
  };
  Type type = Type::kFunction;
  std::string name;
  const MacroDecl* macro = nullptr;  // kMacro: owned by the template
  std::shared_ptr<Scope> closure;    // kMacro: where it was defined
  Value self;                        // kMethod: the object; kJoiner: the separator; kCycler: a list
  size_t used = 0;                   // kJoiner, kCycler: calls so far
};

// A named argument's name as a value: data, since it may have come out of a dictionary (**message).
inline Value ArgumentName(const std::string& name) { return Value::FromText(MarkedText(name, true)); }

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  // Null if absent.
  const Value* Named(std::string_view name) const;
};

// The arguments of a builtin, matched to its parameters by position and name.
class BoundArguments {
 public:
  // `parameters` in order, of which the first `required` must be given. An error names `function`.
  static Result<BoundArguments> Bind(std::string_view function, const CallArguments& arguments,
                                     std::initializer_list<std::string_view> parameters, size_t required);
  bool Has(size_t i) const { return values_[i].has_value(); }
  const Value& operator[](size_t i) const { return *values_[i]; }
  // Given and not None.
  bool Given(size_t i) const { return Has(i) && !values_[i]->Is(Kind::kNone); }
  Result<int64_t> Int(size_t i, int64_t otherwise) const;
  Result<std::string> Text(size_t i, std::string otherwise) const;
  bool Flag(size_t i, bool otherwise) const { return Has(i) ? Truth(*values_[i]) : otherwise; }

 private:
  std::string function_;
  std::vector<std::string> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace hew::jinja
