// Cuts a template into tokens as Jinja2 does with trim_blocks and lstrip_blocks on and keep_trailing_newline off.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hew::jinja {

enum class TokenType {
  kData,        // text between tags, already trimmed
  kBlockBegin,  // {%
  kBlockEnd,
  kOutputBegin,  // {{
  kOutputEnd,
  kName,
  kString,   // text: the decoded string
  kInteger,  // text: the digits without _
  kFloat,
  kOperator,  // text: the operator
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string text;
  int line = 1;
  bool Is(TokenType t, std::string_view value) const { return type == t && text == value; }
  bool IsName(std::string_view name) const { return Is(TokenType::kName, name); }
  bool IsOperator(std::string_view op) const { return Is(TokenType::kOperator, op); }
};

// Errors are "line N: ...". The last token is kEnd.
Result<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace hew::jinja
