#include "text/jinja/filters.h"

namespace hew::jinja {

static FilterFunction FindFilter(std::string_view name) {
  for (const auto find : {FindTextFilter, FindNumberFilter, FindSequenceFilter, FindSelectFilter}) {
    if (const FilterFunction function = find(name); function != nullptr) return function;
  }
  return nullptr;
}

bool IsFilter(std::string_view name) { return FindFilter(name) != nullptr; }

Result<Value> ApplyFilter(Evaluator& evaluator, std::string_view name, const Value& input,
                          const CallArguments& arguments) {
  const FilterFunction function = FindFilter(name);
  if (function == nullptr) return BadInput("no filter named '{}'", name);
  auto result = function(evaluator, input, arguments);
  if (!result && result.error().message.rfind("the template ", 0) != 0) {
    return Annotate(fmt::format("filter '{}'", name), std::move(result).error());
  }
  return result;
}

}  // namespace hew::jinja
