#include "text/jinja/evaluator.h"
#include "text/jinja/evaluator_guards.h"
#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/predicates.h"

namespace hew::jinja {

Result<Value> Evaluator::Eval(const Expr& expr) {
  const DepthGuard depth(this);
  HEW_RETURN_IF_ERROR(depth.Check());
  HEW_RETURN_IF_ERROR(budget_.Charge(1));
  line_ = expr.line;
  switch (expr.kind) {
    case ExprKind::kConstant:
      return expr.value;
    case ExprKind::kName:
      return Lookup(expr.id);
    case ExprKind::kTuple:
    case ExprKind::kList:
      return EvalItems(expr);
    case ExprKind::kDict:
      return EvalDict(expr);
    case ExprKind::kArithmetic:
      return EvalArithmetic(expr);
    case ExprKind::kConcat:
      return EvalConcat(expr);
    case ExprKind::kNegate:
    case ExprKind::kPositive:
    case ExprKind::kNot:
      return EvalUnary(expr);
    case ExprKind::kAnd:
    case ExprKind::kOr:
      return EvalLogic(expr);
    case ExprKind::kCompare:
      return EvalCompare(expr);
    case ExprKind::kConditional:
      return EvalConditional(expr);
    case ExprKind::kAttribute: {
      HEW_ASSIGN(const Value object, Eval(*expr.operands[0]));
      line_ = expr.line;
      return GetAttribute(object, expr.name);
    }
    case ExprKind::kSubscript:
      return EvalSubscript(expr);
    case ExprKind::kSlice:
      return EvalSlice(expr);
    case ExprKind::kCall:
      return EvalCall(expr, nullptr);
    case ExprKind::kFilter:
      return EvalFilter(expr);
    case ExprKind::kTest:
      return EvalTest(expr);
    case ExprKind::kNamespaceAttribute:
      break;
  }
  return BadInput("a target where a value is expected");
}

Result<Value> Evaluator::EvalItems(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.operands.size());
  for (const ExprPtr& operand : expr.operands) {
    HEW_ASSIGN(Value item, Eval(*operand));
    items.push_back(std::move(item));
  }
  return MakeList(std::move(items), expr.kind == ExprKind::kTuple ? Sequence::Type::kTuple : Sequence::Type::kList);
}

Result<Value> Evaluator::EvalDict(const Expr& expr) {
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i + 1 < expr.operands.size(); i += 2) {
    HEW_ASSIGN(const Value key, Eval(*expr.operands[i]));
    if (key.Is(Kind::kText)) HEW_RETURN_IF_ERROR(budget_.ChargeScan(key.AsText().size()));
    HEW_ASSIGN(Value value, Eval(*expr.operands[i + 1]));
    HEW_RETURN_IF_ERROR(dict->Set(key, std::move(value)));
  }
  return Value::From(std::shared_ptr<const Dict>(std::move(dict)));
}

Result<Value> Evaluator::EvalArithmetic(const Expr& expr) {
  HEW_ASSIGN(Value left, Eval(*expr.operands[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    HEW_ASSIGN(const Value right, Eval(*expr.operands[i + 1]));
    line_ = expr.line;
    HEW_ASSIGN(left, Arithmetic(expr.operators[i], left, right, &budget_));
  }
  return left;
}

Result<Value> Evaluator::EvalConcat(const Expr& expr) {
  MarkedText text;
  for (const ExprPtr& operand : expr.operands) {
    HEW_ASSIGN(const Value value, Eval(*operand));
    if (value.Is(Kind::kText)) {
      HEW_RETURN_IF_ERROR(budget_.ChargeText(text.size() + value.AsText().size()));
      text.Append(value.AsMarkedText());
    } else {
      HEW_ASSIGN(const MarkedText part, ToText(value, &budget_));
      HEW_RETURN_IF_ERROR(budget_.ChargeText(text.size() + part.size()));
      text.Append(part);
    }
  }
  return Value::FromText(std::move(text));
}

Result<Value> Evaluator::EvalUnary(const Expr& expr) {
  HEW_ASSIGN(const Value operand, Eval(*expr.operands[0]));
  line_ = expr.line;
  if (expr.kind == ExprKind::kNot) return Value::Bool(!Truth(operand));
  return expr.kind == ExprKind::kNegate ? Negate(operand) : Positive(operand);
}

Result<Value> Evaluator::EvalLogic(const Expr& expr) {
  HEW_ASSIGN(Value value, Eval(*expr.operands[0]));
  for (size_t i = 1; i < expr.operands.size(); ++i) {
    if (Truth(value) == (expr.kind == ExprKind::kOr)) return value;
    HEW_ASSIGN(value, Eval(*expr.operands[i]));
  }
  return value;
}

Result<Value> Evaluator::EvalCompare(const Expr& expr) {
  HEW_ASSIGN(Value left, Eval(*expr.operands[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    HEW_ASSIGN(Value right, Eval(*expr.operands[i + 1]));
    line_ = expr.line;
    HEW_ASSIGN(const bool holds, Compare(expr.operators[i], left, right, &budget_));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Result<Value> Evaluator::EvalConditional(const Expr& expr) {
  HEW_ASSIGN(const Value condition, Eval(*expr.operands[0]));
  if (Truth(condition)) return Eval(*expr.operands[1]);
  if (expr.operands[2] != nullptr) return Eval(*expr.operands[2]);
  return Value::MakeUndefined("the inline if has no else, and its condition is false");
}

Result<Value> Evaluator::EvalSubscript(const Expr& expr) {
  HEW_ASSIGN(const Value object, Eval(*expr.operands[0]));
  HEW_ASSIGN(const Value key, Eval(*expr.operands[1]));
  line_ = expr.line;
  return GetItem(object, key);
}

Result<Value> Evaluator::EvalSlice(const Expr& expr) {
  Value parts[4];
  for (size_t i = 0; i < 4; ++i) {
    parts[i] = Value::None();
    if (expr.operands[i] != nullptr) {
      HEW_ASSIGN(parts[i], Eval(*expr.operands[i]));
    }
  }
  line_ = expr.line;
  return Slice(parts[0], parts[1], parts[2], parts[3], &budget_);
}

Result<CallArguments> Evaluator::EvalArguments(const ArgumentExprs& exprs) {
  CallArguments arguments;
  for (const ExprPtr& expr : exprs.positional) {
    HEW_ASSIGN(Value value, Eval(*expr));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, expr] : exprs.named) {
    HEW_ASSIGN(Value value, Eval(*expr));
    arguments.named.emplace_back(name, std::move(value));
  }
  if (exprs.spread != nullptr) {
    HEW_ASSIGN(const Value spread, Eval(*exprs.spread));
    HEW_ASSIGN(const auto items, Iterate(spread, &budget_));
    arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
  }
  if (exprs.spread_dict != nullptr) {
    HEW_ASSIGN(const Value spread, Eval(*exprs.spread_dict));
    if (!spread.Is(Kind::kDict)) return BadInput("expected a dict after '**', found {}", TypeName(spread));
    constexpr size_t kMaxNamed = 1000;  // they are matched one by one
    if (spread.AsDict().entries.size() > kMaxNamed) return BadInput("expected at most {} named arguments", kMaxNamed);
    for (const auto& [key, value] : spread.AsDict().entries) {
      if (!key.Is(Kind::kText)) return BadInput("expected texts as names after '**', found {}", TypeName(key));
      if (arguments.Named(key.AsText()) != nullptr) return BadInput("argument '{}' is given twice", key.AsText());
      arguments.named.emplace_back(key.AsText(), value);
    }
  }
  return arguments;
}

// `caller` is the body of a {% call %} block, or null.
Result<Value> Evaluator::EvalCall(const Expr& expr, const Value* caller) {
  HEW_ASSIGN(const Value callee, Eval(*expr.operands[0]));
  HEW_ASSIGN(CallArguments arguments, EvalArguments(expr.arguments));
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  line_ = expr.line;
  auto result = Call(callee, arguments);
  if (result) line_ = expr.line;  // a macro's body lies elsewhere
  return result;
}

Result<Value> Evaluator::EvalFilter(const Expr& expr) {
  Value input = captured_;
  if (expr.operands[0] != nullptr) {
    HEW_ASSIGN(input, Eval(*expr.operands[0]));
  }
  HEW_ASSIGN(const CallArguments arguments, EvalArguments(expr.arguments));
  line_ = expr.line;
  return ApplyFilter(*this, expr.name, input, arguments);
}

Result<Value> Evaluator::EvalTest(const Expr& expr) {
  HEW_ASSIGN(const Value input, Eval(*expr.operands[0]));
  HEW_ASSIGN(const CallArguments arguments, EvalArguments(expr.arguments));
  line_ = expr.line;
  HEW_ASSIGN(const bool holds, ApplyPredicate(*this, expr.name, input, arguments));
  return Value::Bool(holds);
}

}  // namespace hew::jinja
