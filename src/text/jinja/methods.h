// Methods of texts, lists, dictionaries and loops. What would change a value is refused: the sandbox is immutable.
#pragma once

#include <string_view>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace hew::jinja {

class Evaluator;

bool HasMethod(const Value& object, std::string_view name);
// list.append, dict.update and the like.
bool IsMutatingMethod(const Value& object, std::string_view name);
Result<Value> CallMethod(Evaluator& evaluator, const Value& self, std::string_view name,
                         const CallArguments& arguments);

using MethodFunction = Result<Value> (*)(Evaluator&, const Value&, const CallArguments&);
// Null if texts have no such method.
MethodFunction FindTextMethod(std::string_view name);

}  // namespace hew::jinja
