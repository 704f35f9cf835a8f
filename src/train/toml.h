// TOML: recipes, sweeps, rules of a release. Only sources include this.
#pragma once

// toml++ asserts what its next line checks and reports; in release it takes the same for granted, and leaves the check
// out. Both would be reached from a file ("[=r"), so neither is wanted.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/shown.h"

namespace hew {

// Errors: "recipe.toml: line 3: ...".
inline Result<toml::table> ParseToml(std::string_view text, const std::string& name) {
  toml::parse_result parsed = toml::parse(text);
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  return BadInput("{}: line {}: {}", name, error.source().begin.line, Shown(error.description(), 200));
}

}  // namespace hew
