// What filters and methods on text share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace hew::jinja {

// str.replace; at most `count` times, all if negative.
Result<MarkedText> ReplaceText(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t count,
                               Budget* budget);
// str.split and str.rsplit (`from_right`); at most `max` cuts, all if negative. An empty separator is an error.
Result<std::vector<std::string_view>> SplitText(std::string_view text, std::string_view separator, int64_t max,
                                                bool from_right);
// The same at runs of white space, empty parts dropped.
std::vector<std::string_view> SplitSpace(std::string_view text, int64_t max, bool from_right);

}  // namespace hew::jinja
