// The parser's own state, shared by parser.cc (statements) and parser_expression.cc (expressions).
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace hew::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Result<Ast> Run();

 private:
  // Levels of parentheses, unary operators and blocks inside each other, and levels of a finished tree (a.b.c...).
  static constexpr int kMaxDepth = 100;
  static constexpr int kMaxTreeDepth = 200;

  // Counts one level of recursion while it lives.
  class Level {
   public:
    explicit Level(int* depth) : depth_(depth) { ++*depth_; }
    ~Level() { --*depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int* depth_;
  };

  const Token& Current() const { return tokens_[at_]; }
  const Token& Look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool SkipName(std::string_view name);
  bool SkipOperator(std::string_view op);
  tl::unexpected<Error> Expected(std::string_view what) const;
  Status ExpectOperator(std::string_view op);
  Result<Token> ExpectName();
  Status CheckDepth() const;
  int IdOf(const std::string& name);
  ExprPtr Make(ExprKind kind, int line) const;
  // Sets the depth from the parts, and refuses a tree that is too deep.
  Result<ExprPtr> Finish(ExprPtr expr) const;

  // Statements.
  Status ParseBlock(Block* block, std::initializer_list<std::string_view> ends);
  Status ParseStatement(Block* block);
  Status ParseIf(Stmt* stmt);
  Status ParseFor(Stmt* stmt);
  Status ParseSet(Stmt* stmt);
  Status ParseMacro(Stmt* stmt);
  Status ParseCallBlock(Stmt* stmt);
  Status ParseWith(Stmt* stmt);
  Status ParseFilterBlock(Stmt* stmt);
  Status ParseSignature(MacroDecl* macro);
  Status ParseMacroBody(MacroDecl* macro, std::string_view end);
  // The block's text and then "{% END %}".
  Status ParseBody(Block* block, std::string_view end);
  Status ExpectBlockEnd();
  Result<ExprPtr> ParseTarget(bool with_namespace);
  Result<ExprPtr> ParseTargetItem(bool with_namespace);

  // Expressions, loosest first.
  Result<ExprPtr> ParseTuple(bool with_conditional, bool in_parentheses);
  Result<ExprPtr> ParseExpression() { return ParseConditional(); }
  Result<ExprPtr> ParseConditional();
  Result<ExprPtr> ParseOr();
  Result<ExprPtr> ParseAnd();
  Result<ExprPtr> ParseNot();
  Result<ExprPtr> ParseCompare();
  Result<ExprPtr> ParseSum();
  Result<ExprPtr> ParseConcat();
  Result<ExprPtr> ParseProduct();
  Result<ExprPtr> ParsePower();
  Result<ExprPtr> ParseUnary(bool with_filters);
  Result<ExprPtr> ParsePrimary();
  Result<ExprPtr> ParseNumber();
  Result<ExprPtr> ParseList();
  Result<ExprPtr> ParseDict();
  Result<ExprPtr> ParsePostfix(ExprPtr expr);
  Result<ExprPtr> ParseSubscript(ExprPtr expr);
  Result<ExprPtr> ParseSubscriptIndex(ExprPtr expr, int line);
  Result<ExprPtr> ParseCall(ExprPtr expr);
  Status ParseArguments(ArgumentExprs* arguments);
  Result<ExprPtr> ParseFilters(ExprPtr expr);
  Result<ExprPtr> ParseFilter(ExprPtr expr);
  Result<ExprPtr> ParseTest(ExprPtr expr);
  Result<std::string> ParseDottedName();
  bool AtTupleEnd() const;
  using Operand = Result<ExprPtr> (Parser::*)();
  // operand (op operand)*, as one flat node.
  Result<ExprPtr> ParseChain(ExprKind kind, Operand operand,
                             std::initializer_list<std::pair<std::string_view, Operator>> operators);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;  // {% for %} around here, for break and continue
  Ast ast_;
  std::unordered_map<std::string, int> ids_;
  std::vector<MacroDecl*> macros_;  // those around here, outermost first
  // Filters and tests that do not exist. Python's Jinja2 minds them only where no `if` can keep them from running.
  std::vector<std::pair<int, std::string>> unknown_;
};

}  // namespace hew::jinja
