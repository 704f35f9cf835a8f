// value|name(arguments)
#pragma once

#include <string_view>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace hew::jinja {

class Evaluator;

bool IsFilter(std::string_view name);
// An error for an unknown name, too.
Result<Value> ApplyFilter(Evaluator& evaluator, std::string_view name, const Value& input,
                          const CallArguments& arguments);

using FilterFunction = Result<Value> (*)(Evaluator&, const Value&, const CallArguments&);
struct FilterEntry {
  std::string_view name;
  FilterFunction function;
};
// The tables, one per source file; null if `name` is not in it.
FilterFunction FindTextFilter(std::string_view name);
FilterFunction FindNumberFilter(std::string_view name);
FilterFunction FindSequenceFilter(std::string_view name);
FilterFunction FindSelectFilter(std::string_view name);

}  // namespace hew::jinja
