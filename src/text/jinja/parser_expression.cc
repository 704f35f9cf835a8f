#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <system_error>

#include "text/jinja/parser_state.h"

namespace hew::jinja {

ExprPtr Parser::Make(ExprKind kind, int line) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  return expr;
}

Result<ExprPtr> Parser::Finish(ExprPtr expr) const {
  const auto add = [&expr](const ExprPtr& part) {
    if (part != nullptr) expr->depth = std::max(expr->depth, part->depth + 1);
  };
  for (const ExprPtr& operand : expr->operands) add(operand);
  for (const ExprPtr& argument : expr->arguments.positional) add(argument);
  for (const auto& argument : expr->arguments.named) add(argument.second);
  add(expr->arguments.spread);
  add(expr->arguments.spread_dict);
  if (expr->depth <= kMaxTreeDepth) return expr;
  return BadInput("line {}: expected at most {} levels in an expression", expr->line, kMaxTreeDepth);
}

bool Parser::AtTupleEnd() const {
  const Token& token = Current();
  return token.type == TokenType::kOutputEnd || token.type == TokenType::kBlockEnd || token.IsOperator(")");
}

// One expression, or several with commas: a tuple.
Result<ExprPtr> Parser::ParseTuple(bool with_conditional, bool in_parentheses) {
  const int line = Current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!AtTupleEnd()) {
    HEW_ASSIGN(ExprPtr item, with_conditional ? ParseConditional() : ParseOr());
    items.push_back(std::move(item));
    if (!SkipOperator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items.front());
    if (!in_parentheses) return Expected("an expression");
  }
  ExprPtr tuple = Make(ExprKind::kTuple, line);
  tuple->operands = std::move(items);
  return Finish(std::move(tuple));
}

Result<ExprPtr> Parser::ParseConditional() {
  const size_t unknown = unknown_.size();
  HEW_ASSIGN(ExprPtr expr, ParseOr());
  while (Current().IsName("if")) {
    ExprPtr conditional = Make(ExprKind::kConditional, Next().line);
    HEW_ASSIGN(ExprPtr condition, ParseOr());
    ExprPtr otherwise;
    if (SkipName("else")) {
      const Level level(&depth_);
      HEW_RETURN_IF_ERROR(CheckDepth());
      HEW_ASSIGN(otherwise, ParseConditional());
    }
    conditional->operands.push_back(std::move(condition));
    conditional->operands.push_back(std::move(expr));
    conditional->operands.push_back(std::move(otherwise));
    HEW_ASSIGN(expr, Finish(std::move(conditional)));
    unknown_.resize(unknown);
  }
  return expr;
}

Result<ExprPtr> Parser::ParseChain(ExprKind kind, Operand operand,
                                   std::initializer_list<std::pair<std::string_view, Operator>> operators) {
  HEW_ASSIGN(ExprPtr first, (this->*operand)());
  ExprPtr chain;
  for (;;) {
    const auto* found = operators.begin();
    while (found != operators.end() && !Current().IsOperator(found->first) && !Current().IsName(found->first)) ++found;
    if (found == operators.end()) break;
    const int line = Next().line;
    if (chain == nullptr) {
      chain = Make(kind, line);
      chain->operands.push_back(std::move(first));
    }
    HEW_ASSIGN(ExprPtr next, (this->*operand)());
    chain->operands.push_back(std::move(next));
    chain->operators.push_back(found->second);
  }
  return chain == nullptr ? std::move(first) : Finish(std::move(chain));
}

// Where a chain needs no operator, any serves as its mark.
Result<ExprPtr> Parser::ParseOr() { return ParseChain(ExprKind::kOr, &Parser::ParseAnd, {{"or", Operator::kAdd}}); }
Result<ExprPtr> Parser::ParseAnd() { return ParseChain(ExprKind::kAnd, &Parser::ParseNot, {{"and", Operator::kAdd}}); }
Result<ExprPtr> Parser::ParseSum() {
  return ParseChain(ExprKind::kArithmetic, &Parser::ParseConcat, {{"+", Operator::kAdd}, {"-", Operator::kSub}});
}
Result<ExprPtr> Parser::ParseConcat() {
  return ParseChain(ExprKind::kConcat, &Parser::ParseProduct, {{"~", Operator::kAdd}});
}
Result<ExprPtr> Parser::ParseProduct() {
  return ParseChain(ExprKind::kArithmetic, &Parser::ParsePower,
                    {{"*", Operator::kMul}, {"/", Operator::kDiv}, {"//", Operator::kFloorDiv}, {"%", Operator::kMod}});
}
Result<ExprPtr> Parser::ParsePower() {
  HEW_ASSIGN(ExprPtr first, ParseUnary(true));
  if (!Current().IsOperator("**")) return first;
  ExprPtr chain = Make(ExprKind::kArithmetic, Current().line);
  chain->operands.push_back(std::move(first));
  while (SkipOperator("**")) {
    HEW_ASSIGN(ExprPtr next, ParseUnary(true));
    chain->operands.push_back(std::move(next));
    chain->operators.push_back(Operator::kPow);
  }
  return Finish(std::move(chain));
}

Result<ExprPtr> Parser::ParseNot() {
  if (!Current().IsName("not")) return ParseCompare();
  const Level level(&depth_);
  HEW_RETURN_IF_ERROR(CheckDepth());
  ExprPtr expr = Make(ExprKind::kNot, Next().line);
  HEW_ASSIGN(ExprPtr operand, ParseNot());
  expr->operands.push_back(std::move(operand));
  return Finish(std::move(expr));
}

Result<ExprPtr> Parser::ParseCompare() {
  static constexpr std::pair<std::string_view, Operator> kOperators[] = {{"==", Operator::kEq}, {"!=", Operator::kNe},
                                                                         {"<", Operator::kLt},  {"<=", Operator::kLe},
                                                                         {">", Operator::kGt},  {">=", Operator::kGe}};
  HEW_ASSIGN(ExprPtr first, ParseSum());
  ExprPtr chain;
  for (;;) {
    const int line = Current().line;
    const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                     [this](const auto& op) { return Current().IsOperator(op.first); });
    Operator op = Operator::kIn;
    if (found != std::end(kOperators)) {
      op = found->second;
    } else if (Current().IsName("not") && Look().IsName("in")) {
      Next();
      op = Operator::kNotIn;
    } else if (!Current().IsName("in")) {
      break;
    }
    Next();
    if (chain == nullptr) {
      chain = Make(ExprKind::kCompare, line);
      chain->operands.push_back(std::move(first));
    }
    HEW_ASSIGN(ExprPtr next, ParseSum());
    chain->operands.push_back(std::move(next));
    chain->operators.push_back(op);
  }
  return chain == nullptr ? std::move(first) : Finish(std::move(chain));
}

Result<ExprPtr> Parser::ParseUnary(bool with_filters) {
  const Level level(&depth_);
  HEW_RETURN_IF_ERROR(CheckDepth());
  ExprPtr expr;
  if (Current().IsOperator("-") || Current().IsOperator("+")) {
    const Token sign = Next();
    expr = Make(sign.text == "-" ? ExprKind::kNegate : ExprKind::kPositive, sign.line);
    HEW_ASSIGN(ExprPtr operand, ParseUnary(false));
    expr->operands.push_back(std::move(operand));
    HEW_ASSIGN(expr, Finish(std::move(expr)));
  } else {
    HEW_ASSIGN(expr, ParsePrimary());
  }
  HEW_ASSIGN(expr, ParsePostfix(std::move(expr)));
  if (!with_filters) return expr;
  return ParseFilters(std::move(expr));
}

Result<ExprPtr> Parser::ParsePrimary() {
  const Token token = Current();
  if (token.type == TokenType::kInteger || token.type == TokenType::kFloat) return ParseNumber();
  if (token.IsOperator("[")) return ParseList();
  if (token.IsOperator("{")) return ParseDict();
  if (token.IsOperator("(")) {
    Next();
    HEW_ASSIGN(ExprPtr inner, ParseTuple(true, true));
    HEW_RETURN_IF_ERROR(ExpectOperator(")"));
    return inner;
  }
  if (token.type == TokenType::kString) {
    std::string text;
    while (Current().type == TokenType::kString) text += Next().text;
    ExprPtr expr = Make(ExprKind::kConstant, token.line);
    expr->value = Value::FromText(std::move(text));
    return expr;
  }
  if (token.type != TokenType::kName) return Expected("an expression");
  Next();
  ExprPtr expr = Make(ExprKind::kConstant, token.line);
  if (token.text == "true" || token.text == "True" || token.text == "false" || token.text == "False") {
    expr->value = Value::Bool(token.text == "true" || token.text == "True");
  } else if (token.text == "none" || token.text == "None") {
    expr->value = Value::None();
  } else {
    expr->kind = ExprKind::kName;
    expr->id = IdOf(token.text);
    expr->name = token.text;
    for (MacroDecl* macro : macros_) {
      macro->uses_caller |= token.text == "caller";
      macro->uses_varargs |= token.text == "varargs";
      macro->uses_kwargs |= token.text == "kwargs";
    }
  }
  return expr;
}

Result<ExprPtr> Parser::ParseNumber() {
  const Token token = Next();
  ExprPtr expr = Make(ExprKind::kConstant, token.line);
  if (token.type == TokenType::kFloat) {
    expr->value = Value::Float(std::strtod(token.text.c_str(), nullptr));
    return expr;
  }
  std::string_view digits = token.text;
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) digits.remove_prefix(2);
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return BadInput("line {}: expected an integer below 2^63, found {}", token.line, token.text.substr(0, 60));
  }
  expr->value = Value::Int(value);
  return expr;
}

Result<ExprPtr> Parser::ParseList() {
  ExprPtr list = Make(ExprKind::kList, Next().line);
  while (!Current().IsOperator("]")) {
    if (!list->operands.empty()) HEW_RETURN_IF_ERROR(ExpectOperator(","));
    if (Current().IsOperator("]")) break;
    HEW_ASSIGN(ExprPtr item, ParseExpression());
    list->operands.push_back(std::move(item));
  }
  HEW_RETURN_IF_ERROR(ExpectOperator("]"));
  return Finish(std::move(list));
}

Result<ExprPtr> Parser::ParseDict() {
  ExprPtr dict = Make(ExprKind::kDict, Next().line);
  while (!Current().IsOperator("}")) {
    if (!dict->operands.empty()) HEW_RETURN_IF_ERROR(ExpectOperator(","));
    if (Current().IsOperator("}")) break;
    HEW_ASSIGN(ExprPtr key, ParseExpression());
    HEW_RETURN_IF_ERROR(ExpectOperator(":"));
    HEW_ASSIGN(ExprPtr value, ParseExpression());
    dict->operands.push_back(std::move(key));
    dict->operands.push_back(std::move(value));
  }
  HEW_RETURN_IF_ERROR(ExpectOperator("}"));
  return Finish(std::move(dict));
}

}  // namespace hew::jinja
