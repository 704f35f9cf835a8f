// A parsed template. Chains of operators are flat lists, so that the depth of a tree is what was really nested; the
// parser bounds it, and with it every recursion over a tree.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace hew::jinja {

enum class ExprKind {
  kConstant,            // value
  kName,                // id
  kTuple,               // operands
  kList,                // operands
  kDict,                // operands: key, value, key, value, ...
  kArithmetic,          // operands joined by operators (+ - * / // % **), applied from the left
  kConcat,              // operands joined by ~
  kNegate,              // operand 0
  kPositive,            // operand 0
  kNot,                 // operand 0
  kAnd,                 // operands
  kOr,                  // operands
  kCompare,             // operands joined by operators (== != < <= > >= in, not in), chained as in Python
  kConditional,         // condition, then, else (may be null)
  kAttribute,           // operand 0 . name
  kSubscript,           // operand 0 [ operand 1 ]
  kSlice,               // operand 0 [ operand 1 : operand 2 : operand 3 ], 1 to 3 may be null
  kCall,                // operand 0 ( arguments )
  kFilter,              // operand 0 (null: what a block captured) | name ( arguments )
  kTest,                // operand 0 is name ( arguments )
  kNamespaceAttribute,  // as a target of set: id . name
};

enum class Operator { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct ArgumentExprs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr spread;       // *expr
  ExprPtr spread_dict;  // **expr
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  int line = 0;
  int depth = 1;  // levels of the tree below and with this
  int id = -1;    // a name's number in Ast::names
  std::string name;
  Value value;
  std::vector<ExprPtr> operands;
  std::vector<Operator> operators;
  ArgumentExprs arguments;
};

enum class StmtKind {
  kText,         // text
  kOutput,       // expr
  kIf,           // branches: tried in turn; orelse
  kFor,          // target, expr, condition (may be null), body, orelse, recursive
  kSet,          // target = expr
  kSetBlock,     // target = body, through the filters of expr (may be null)
  kMacro,        // macro
  kCall,         // expr is called with `caller`, the macro
  kFilterBlock,  // body through the filters of expr
  kWith,         // assignments, body
  kGeneration,   // body
  kBreak,
  kContinue,
};

struct Stmt;
using Block = std::vector<Stmt>;

struct MacroDecl {
  std::string name;
  int id = -1;  // of its name; -1 for a caller
  std::vector<int> parameters;
  std::vector<std::string> parameter_names;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Block body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct IfBranch {
  ExprPtr condition;
  Block body;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  int line = 0;
  std::string text;
  ExprPtr expr, target, condition;
  std::vector<IfBranch> branches;
  std::vector<std::pair<ExprPtr, ExprPtr>> assignments;  // kWith: target, value
  Block body, orelse;
  std::unique_ptr<MacroDecl> macro;
  bool recursive = false;
};

struct Ast {
  Block body;
  std::vector<std::string> names;  // every name that the template speaks of, by id
  int caller = -1, varargs = -1, kwargs = -1, loop = -1;
};

}  // namespace hew::jinja
