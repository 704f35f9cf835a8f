// What follows an operand: attributes, subscripts, calls, filters and tests.
#include "text/jinja/filters.h"
#include "text/jinja/parser_state.h"
#include "text/jinja/predicates.h"

namespace hew::jinja {

Result<ExprPtr> Parser::ParsePostfix(ExprPtr expr) {
  for (;;) {
    if (Current().IsOperator(".") || Current().IsOperator("[")) {
      HEW_ASSIGN(expr, ParseSubscript(std::move(expr)));
    } else if (Current().IsOperator("(")) {
      HEW_ASSIGN(expr, ParseCall(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Result<ExprPtr> Parser::ParseSubscript(ExprPtr expr) {
  const Token token = Next();
  if (token.text == "[") return ParseSubscriptIndex(std::move(expr), token.line);
  if (Current().type == TokenType::kName) {
    ExprPtr attribute = Make(ExprKind::kAttribute, token.line);
    attribute->name = Next().text;
    attribute->operands.push_back(std::move(expr));
    return Finish(std::move(attribute));
  }
  if (Current().type != TokenType::kInteger) return Expected("a name or a number after '.'");
  ExprPtr item = Make(ExprKind::kSubscript, token.line);
  HEW_ASSIGN(ExprPtr index, ParseNumber());
  item->operands.push_back(std::move(expr));
  item->operands.push_back(std::move(index));
  return Finish(std::move(item));
}

// After "[": an index, a tuple of them, or a slice.
Result<ExprPtr> Parser::ParseSubscriptIndex(ExprPtr expr, int line) {
  ExprPtr item = Make(ExprKind::kSubscript, line);
  item->operands.push_back(std::move(expr));
  ExprPtr parts[3];
  int colons = 0;
  while (!Current().IsOperator("]") && !Current().IsOperator(",")) {
    if (SkipOperator(":")) {
      if (++colons > 2) return Expected("at most two ':' in a slice");
      continue;
    }
    if (parts[colons] != nullptr) return Expected("']'");
    HEW_ASSIGN(parts[colons], ParseExpression());
  }
  if (colons > 0) {
    item->kind = ExprKind::kSlice;
    for (ExprPtr& part : parts) item->operands.push_back(std::move(part));
    HEW_RETURN_IF_ERROR(ExpectOperator("]"));
    return Finish(std::move(item));
  }
  if (parts[0] == nullptr) return Expected("an index");
  if (Current().IsOperator(",")) {
    ExprPtr tuple = Make(ExprKind::kTuple, line);
    tuple->operands.push_back(std::move(parts[0]));
    while (SkipOperator(",") && !Current().IsOperator("]")) {
      HEW_ASSIGN(ExprPtr index, ParseExpression());
      tuple->operands.push_back(std::move(index));
    }
    HEW_ASSIGN(parts[0], Finish(std::move(tuple)));
  }
  HEW_RETURN_IF_ERROR(ExpectOperator("]"));
  item->operands.push_back(std::move(parts[0]));
  return Finish(std::move(item));
}

Result<ExprPtr> Parser::ParseCall(ExprPtr expr) {
  ExprPtr call = Make(ExprKind::kCall, Current().line);
  call->operands.push_back(std::move(expr));
  HEW_RETURN_IF_ERROR(ParseArguments(&call->arguments));
  return Finish(std::move(call));
}

Status Parser::ParseArguments(ArgumentExprs* arguments) {
  HEW_RETURN_IF_ERROR(ExpectOperator("("));
  bool first = true;
  while (!Current().IsOperator(")")) {
    if (!first) HEW_RETURN_IF_ERROR(ExpectOperator(","));
    first = false;
    if (Current().IsOperator(")")) break;
    const bool named = Current().type == TokenType::kName && Look().IsOperator("=");
    if (SkipOperator("*")) {
      if (arguments->spread != nullptr || arguments->spread_dict != nullptr) return Expected("one '*' in a call");
      HEW_ASSIGN(arguments->spread, ParseExpression());
    } else if (SkipOperator("**")) {
      if (arguments->spread_dict != nullptr) return Expected("one '**' in a call");
      HEW_ASSIGN(arguments->spread_dict, ParseExpression());
    } else if (named) {
      std::string name = Next().text;
      Next();
      HEW_ASSIGN(ExprPtr value, ParseExpression());
      for (const auto& argument : arguments->named) {
        if (argument.first == name) return BadInput("line {}: argument '{}' is given twice", Current().line, name);
      }
      arguments->named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!arguments->named.empty()) return Expected("a named argument after another");
      HEW_ASSIGN(ExprPtr value, ParseExpression());
      arguments->positional.push_back(std::move(value));
    }
  }
  return ExpectOperator(")");
}

// Filters, tests, and calls of what they give.
Result<ExprPtr> Parser::ParseFilters(ExprPtr expr) {
  for (;;) {
    if (SkipOperator("|")) {
      HEW_ASSIGN(expr, ParseFilter(std::move(expr)));
    } else if (Current().IsName("is") && expr != nullptr) {
      HEW_ASSIGN(expr, ParseTest(std::move(expr)));
    } else if (Current().IsOperator("(") && expr != nullptr) {
      HEW_ASSIGN(expr, ParseCall(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Result<std::string> Parser::ParseDottedName() {
  HEW_ASSIGN(Token token, ExpectName());
  std::string name = std::move(token.text);
  while (SkipOperator(".")) {
    HEW_ASSIGN(const Token part, ExpectName());
    name += "." + part.text;
  }
  return name;
}

Result<ExprPtr> Parser::ParseFilter(ExprPtr expr) {
  ExprPtr filter = Make(ExprKind::kFilter, Current().line);
  filter->operands.push_back(std::move(expr));
  HEW_ASSIGN(filter->name, ParseDottedName());
  if (!IsFilter(filter->name)) unknown_.emplace_back(filter->line, "no filter named '" + filter->name + "'");
  if (Current().IsOperator("(")) HEW_RETURN_IF_ERROR(ParseArguments(&filter->arguments));
  return Finish(std::move(filter));
}

Result<ExprPtr> Parser::ParseTest(ExprPtr expr) {
  ExprPtr test = Make(ExprKind::kTest, Next().line);
  test->operands.push_back(std::move(expr));
  const bool negated = SkipName("not");
  HEW_ASSIGN(test->name, ParseDottedName());
  if (!IsPredicate(test->name)) unknown_.emplace_back(test->line, "no test named '" + test->name + "'");
  const Token& token = Current();
  const bool operand =
      token.type == TokenType::kString || token.type == TokenType::kInteger || token.type == TokenType::kFloat ||
      token.IsOperator("[") || token.IsOperator("{") ||
      (token.type == TokenType::kName && !token.IsName("else") && !token.IsName("or") && !token.IsName("and"));
  if (token.IsOperator("(")) {
    HEW_RETURN_IF_ERROR(ParseArguments(&test->arguments));
  } else if (operand) {
    if (token.IsName("is")) return Expected("no second 'is' after a test");
    HEW_ASSIGN(ExprPtr argument, ParsePrimary());
    HEW_ASSIGN(argument, ParsePostfix(std::move(argument)));
    test->arguments.positional.push_back(std::move(argument));
  }
  HEW_ASSIGN(test, Finish(std::move(test)));
  if (!negated) return test;
  ExprPtr inverse = Make(ExprKind::kNot, test->line);
  inverse->operands.push_back(std::move(test));
  return Finish(std::move(inverse));
}

}  // namespace hew::jinja
