#include "text/jinja/callable.h"

#include <algorithm>

namespace hew::jinja {

const Value* CallArguments::Named(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<BoundArguments> BoundArguments::Bind(std::string_view function, const CallArguments& arguments,
                                            std::initializer_list<std::string_view> parameters, size_t required) {
  BoundArguments bound;
  bound.function_ = function;
  bound.names_.assign(parameters.begin(), parameters.end());
  bound.values_.resize(parameters.size());
  if (arguments.positional.size() > parameters.size()) {
    return BadInput("{}: expected at most {} arguments, found {}", function, parameters.size(),
                    arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound.values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(bound.names_.begin(), bound.names_.end(), name);
    if (found == bound.names_.end()) return BadInput("{}: unexpected argument '{}'", function, name);
    auto& slot = bound.values_[static_cast<size_t>(found - bound.names_.begin())];
    if (slot) return BadInput("{}: argument '{}' is given twice", function, name);
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!bound.values_[i]) return BadInput("{}: missing argument '{}'", function, bound.names_[i]);
  }
  return bound;
}

Result<int64_t> BoundArguments::Int(size_t i, int64_t otherwise) const {
  if (!Has(i)) return otherwise;
  if (!values_[i]->IsIntegral()) {
    return BadInput("{}: argument '{}': expected an int, found {}", function_, names_[i], TypeName(*values_[i]));
  }
  return values_[i]->AsInt();
}

Result<std::string> BoundArguments::Text(size_t i, std::string otherwise) const {
  if (!Has(i)) return otherwise;
  if (!values_[i]->Is(Kind::kText)) {
    return BadInput("{}: argument '{}': expected a str, found {}", function_, names_[i], TypeName(*values_[i]));
  }
  return values_[i]->AsText();
}

}  // namespace hew::jinja
