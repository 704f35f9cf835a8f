// Python's escapes in a quoted string.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hew::jinja {

// `body` is what lies between the quotes. An unknown escape stays as it is written.
Result<std::string> DecodeStringLiteral(std::string_view body);

}  // namespace hew::jinja
