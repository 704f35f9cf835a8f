// Regular expressions on UTF-8: PCRE2 with JIT, and limits that grow with the input, so that no pattern and no text can
// run without bound.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

class Regex {
 public:
  // Error: "pattern: expected a regular expression, found '(' (missing closing parenthesis at 1)".
  static Result<Regex> Compile(const std::string& pattern);

  // Whether it matches anywhere in text.
  bool Search(std::string_view text) const;

  // Calls fn(begin, end) for each match from left to right, empty ones skipped. False when PCRE2's match limit was hit: what
  // follows the last match was not looked at. Bytes that are no UTF-8 match nothing.
  bool ForEach(std::string_view text, const std::function<void(size_t, size_t)>& fn) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace hew
