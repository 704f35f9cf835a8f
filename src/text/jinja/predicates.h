// value is name(arguments): what Jinja calls tests.
#pragma once

#include <string_view>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace hew::jinja {

class Evaluator;

bool IsPredicate(std::string_view name);
// An error for an unknown name, too.
Result<bool> ApplyPredicate(Evaluator& evaluator, std::string_view name, const Value& input,
                            const CallArguments& arguments);

}  // namespace hew::jinja
