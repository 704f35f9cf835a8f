// The argument `attribute` of sort, map, join and others: "a.b.0", an index, or None for the item itself.
#pragma once

#include <vector>

#include "text/jinja/value.h"

namespace hew::jinja {

class Evaluator;

class AttributePath {
 public:
  // `attribute`: a text with dots, an int or None.
  static Result<AttributePath> Parse(const Value& attribute);
  // Follows the path; where there is nothing, `otherwise` if not null.
  Result<Value> Get(Evaluator& evaluator, Value item, const Value* otherwise = nullptr) const;

 private:
  std::vector<Value> parts_;
};

// What a filter compares: lower case for texts unless `case_sensitive`.
Result<Value> CaseKey(Evaluator& evaluator, const Value& value, bool case_sensitive);
// Sorts `items` by `keys`, equal ones in their order; an error where two keys have no order.
Status SortByKeys(Evaluator& evaluator, const std::vector<Value>& keys, bool reverse, std::vector<Value>* items);

}  // namespace hew::jinja
