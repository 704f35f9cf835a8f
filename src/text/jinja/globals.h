// The functions that every template knows.
#pragma once

#include <string_view>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace hew::jinja {

class Evaluator;

bool IsGlobal(std::string_view name);
Result<Value> CallGlobal(Evaluator& evaluator, std::string_view name, const CallArguments& arguments);

}  // namespace hew::jinja
