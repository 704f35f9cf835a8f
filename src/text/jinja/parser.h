// Template text to tree.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace hew::jinja {

// Errors are "line N: expected ..., found ...". Nesting is bounded, whatever the text.
Result<Ast> ParseTemplate(std::string_view source);

}  // namespace hew::jinja
