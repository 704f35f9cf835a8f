// Runs a parsed template.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/callable.h"
#include "text/jinja/loop.h"
#include "text/jinja/template.h"
#include "text/jinja/value.h"

namespace hew::jinja {

// Variables of one block. Names are ids of the template.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<int, Value>> variables;
  bool captured = false;  // a macro may come back to it after its block has ended
};

class Evaluator {
 public:
  Evaluator(const Ast& ast, const JinjaClock& clock, const JinjaLimits& limits);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Result<RenderedTemplate> Run(const nlohmann::ordered_json& context, const nlohmann::ordered_json& data);
  // Where it is, or where it failed.
  int line() const { return line_; }

  // For filters, tests, methods and globals.
  Budget* budget() { return &budget_; }
  const JinjaClock& clock() const { return clock_; }
  const JinjaLimits& limits() const { return limits_; }
  // object[key] and object.name, as the sandbox allows; undefined where there is nothing.
  Result<Value> GetItem(const Value& object, const Value& key);
  Result<Value> GetAttribute(const Value& object, std::string_view name);
  Result<Value> Call(const Value& callee, const CallArguments& arguments);
  std::shared_ptr<Namespace> NewNamespace();
  // A new text, counted.
  Result<Value> MakeText(MarkedText text, bool safe = false);
  Result<Value> MakeText(std::string text) { return MakeText(MarkedText(std::move(text))); }  // the template's own
  Result<Value> MakeList(std::vector<Value> items, Sequence::Type type = Sequence::Type::kList);

 private:
  enum class Flow { kOn, kBreak, kContinue };
  class ScopeGuard;
  class DepthGuard;

  // Statements (evaluator.cc).
  Result<Flow> ExecBlock(const Block& block);
  Result<Flow> Exec(const Stmt& stmt);
  Result<Flow> ExecIf(const Stmt& stmt);
  Result<Flow> ExecFor(const Stmt& stmt);
  Result<Flow> RunLoop(const Stmt& stmt, const Value& iterable, int depth, std::shared_ptr<Scope> outer);
  Result<Flow> RunIterations(const Stmt& stmt, const std::shared_ptr<Loop>& loop, const std::shared_ptr<Scope>& outer);
  Status ExecSetBlock(const Stmt& stmt);
  Status ExecFilterBlock(const Stmt& stmt);
  Status ExecCall(const Stmt& stmt);
  Result<Flow> ExecWith(const Stmt& stmt);
  Status ExecGeneration(const Stmt& stmt);
  // The block's text, without writing it.
  Result<MarkedText> Capture(const Block& block);
  Status Write(const MarkedText& text);
  Status CheckWrite(size_t bytes);
  Status Assign(const Expr& target, const Value& value);
  Value MakeMacro(const MacroDecl& macro);
  Result<Value> CallMacro(const Callable& callable, const CallArguments& arguments);
  Status BindMacro(const MacroDecl& macro, const CallArguments& arguments);
  Result<Value> CallLoop(Loop& loop, const CallArguments& arguments);

  // Expressions (evaluator_expression.cc).
  Result<Value> Eval(const Expr& expr);
  Result<Value> EvalItems(const Expr& expr);
  Result<Value> EvalDict(const Expr& expr);
  Result<Value> EvalArithmetic(const Expr& expr);
  Result<Value> EvalConcat(const Expr& expr);
  Result<Value> EvalUnary(const Expr& expr);
  Result<Value> EvalLogic(const Expr& expr);
  Result<Value> EvalCompare(const Expr& expr);
  Result<Value> EvalConditional(const Expr& expr);
  Result<Value> EvalSubscript(const Expr& expr);
  Result<Value> EvalSlice(const Expr& expr);
  Result<Value> EvalCall(const Expr& expr, const Value* caller);
  Result<Value> EvalFilter(const Expr& expr);
  Result<Value> EvalTest(const Expr& expr);
  Result<CallArguments> EvalArguments(const ArgumentExprs& exprs);

  Result<Value> Lookup(int id);
  void SetVariable(int id, Value value);

  const Ast& ast_;
  const JinjaClock clock_;
  const JinjaLimits limits_;
  Budget budget_;
  std::vector<Value> base_;  // by id: the context's variables and the globals
  std::shared_ptr<Scope> scope_;
  MarkedText root_;
  MarkedText* out_ = &root_;
  std::vector<std::pair<size_t, size_t>> spans_;
  Value captured_;  // what a filter block's first filter takes
  int line_ = 1;
  int depth_ = 0;
  int calls_ = 0;
  // Whatever could make circles or endless chains of references; emptied at the end.
  std::vector<std::shared_ptr<Scope>> captured_scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace hew::jinja
