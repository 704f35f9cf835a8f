#include "text/jinja/parser.h"

#include "text/jinja/parser_state.h"

namespace hew::jinja {

Result<Ast> ParseTemplate(std::string_view source) {
  HEW_ASSIGN(auto tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

Result<Ast> Parser::Run() {
  ast_.caller = IdOf("caller");
  ast_.varargs = IdOf("varargs");
  ast_.kwargs = IdOf("kwargs");
  ast_.loop = IdOf("loop");
  HEW_RETURN_IF_ERROR(ParseBlock(&ast_.body, {}));
  if (Current().type != TokenType::kEnd) return Expected("a known tag");
  if (!unknown_.empty()) return BadInput("line {}: {}", unknown_.front().first, unknown_.front().second);
  return std::move(ast_);
}

bool Parser::SkipName(std::string_view name) {
  if (!Current().IsName(name)) return false;
  Next();
  return true;
}

bool Parser::SkipOperator(std::string_view op) {
  if (!Current().IsOperator(op)) return false;
  Next();
  return true;
}

tl::unexpected<Error> Parser::Expected(std::string_view what) const {
  const Token& token = Current();
  std::string found = "'" + token.text + "'";
  switch (token.type) {
    case TokenType::kEnd:
      found = "the end of the template";
      break;
    case TokenType::kBlockEnd:
      found = "the end of the tag";
      break;
    case TokenType::kOutputEnd:
      found = "the end of the output";
      break;
    case TokenType::kData:
      found = "text";
      break;
    case TokenType::kString:
      found = "a string";
      break;
    default:
      break;
  }
  return BadInput("line {}: expected {}, found {}", token.line, what, found);
}

Status Parser::ExpectOperator(std::string_view op) {
  if (!SkipOperator(op)) return Expected(fmt::format("'{}'", op));
  return {};
}

Result<Token> Parser::ExpectName() {
  if (Current().type != TokenType::kName) return Expected("a name");
  return Next();
}

Status Parser::CheckDepth() const {
  if (depth_ <= kMaxDepth) return {};
  return BadInput("line {}: expected at most {} levels of nesting", Current().line, kMaxDepth);
}

int Parser::IdOf(const std::string& name) {
  const auto [slot, added] = ids_.try_emplace(name, static_cast<int>(ast_.names.size()));
  if (added) ast_.names.push_back(name);
  return slot->second;
}

Status Parser::ExpectBlockEnd() {
  if (Current().type != TokenType::kBlockEnd) return Expected("the end of the tag");
  Next();
  return {};
}

// Up to a tag whose name is in `ends`, which stays unread (at the name), or to the end of the template.
Status Parser::ParseBlock(Block* block, std::initializer_list<std::string_view> ends) {
  const Level level(&depth_);
  HEW_RETURN_IF_ERROR(CheckDepth());
  for (;;) {
    const Token& token = Current();
    if (token.type == TokenType::kEnd) {
      if (ends.size() == 0) return {};
      return Expected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
    }
    if (token.type == TokenType::kData) {
      Stmt stmt;
      stmt.line = token.line;
      stmt.text = Next().text;
      block->push_back(std::move(stmt));
    } else if (token.type == TokenType::kOutputBegin) {
      Stmt stmt;
      stmt.kind = StmtKind::kOutput;
      stmt.line = Next().line;
      HEW_ASSIGN(stmt.expr, ParseTuple(true, false));
      if (Current().type != TokenType::kOutputEnd) return Expected("the end of the output (}})");
      Next();
      block->push_back(std::move(stmt));
    } else {
      Next();
      for (const std::string_view end : ends) {
        if (Current().IsName(end)) return {};
      }
      HEW_RETURN_IF_ERROR(ParseStatement(block));
    }
  }
}

Status Parser::ParseBody(Block* block, std::string_view end) {
  HEW_RETURN_IF_ERROR(ExpectBlockEnd());
  HEW_RETURN_IF_ERROR(ParseBlock(block, {end}));
  Next();
  return {};
}

Status Parser::ParseStatement(Block* block) {
  if (Current().type != TokenType::kName) return Expected("the name of a tag");
  const Token tag = Next();
  Stmt stmt;
  stmt.line = tag.line;
  Status status;
  if (tag.text == "if") {
    status = ParseIf(&stmt);
  } else if (tag.text == "for") {
    status = ParseFor(&stmt);
  } else if (tag.text == "set") {
    status = ParseSet(&stmt);
  } else if (tag.text == "macro") {
    status = ParseMacro(&stmt);
  } else if (tag.text == "call") {
    status = ParseCallBlock(&stmt);
  } else if (tag.text == "filter") {
    status = ParseFilterBlock(&stmt);
  } else if (tag.text == "with") {
    status = ParseWith(&stmt);
  } else if (tag.text == "generation") {
    stmt.kind = StmtKind::kGeneration;
    const int loops = std::exchange(loops_, 0);
    status = ParseBody(&stmt.body, "endgeneration");
    loops_ = loops;
  } else if (tag.text == "print") {
    for (;;) {
      stmt.kind = StmtKind::kOutput;
      HEW_ASSIGN(stmt.expr, ParseExpression());
      if (!SkipOperator(",")) break;
      block->push_back(std::exchange(stmt, Stmt()));
      stmt.line = tag.line;
    }
  } else if (tag.text == "break" || tag.text == "continue") {
    if (loops_ == 0) return BadInput("line {}: expected '{}' inside a loop", tag.line, tag.text);
    stmt.kind = tag.text == "break" ? StmtKind::kBreak : StmtKind::kContinue;
  } else {
    return BadInput("line {}: expected a known tag, found '{}'", tag.line, tag.text);
  }
  HEW_RETURN_IF_ERROR(status);
  block->push_back(std::move(stmt));
  return ExpectBlockEnd();
}

Status Parser::ParseIf(Stmt* stmt) {
  stmt->kind = StmtKind::kIf;
  const size_t unknown = unknown_.size();
  for (;;) {
    IfBranch& branch = stmt->branches.emplace_back();
    HEW_ASSIGN(branch.condition, ParseTuple(false, false));
    HEW_RETURN_IF_ERROR(ExpectBlockEnd());
    HEW_RETURN_IF_ERROR(ParseBlock(&branch.body, {"elif", "else", "endif"}));
    if (SkipName("elif")) continue;
    if (SkipName("else")) {
      HEW_RETURN_IF_ERROR(ParseBody(&stmt->orelse, "endif"));
    } else {
      Next();
    }
    unknown_.resize(unknown);
    return {};
  }
}

Status Parser::ParseFor(Stmt* stmt) {
  stmt->kind = StmtKind::kFor;
  HEW_ASSIGN(stmt->target, ParseTarget(false));
  if (!SkipName("in")) return Expected("'in'");
  HEW_ASSIGN(stmt->expr, ParseTuple(false, false));
  if (SkipName("if")) {
    HEW_ASSIGN(stmt->condition, ParseExpression());
  }
  stmt->recursive = SkipName("recursive");
  HEW_RETURN_IF_ERROR(ExpectBlockEnd());
  ++loops_;
  const Status body = ParseBlock(&stmt->body, {"else", "endfor"});
  --loops_;
  HEW_RETURN_IF_ERROR(body);
  if (SkipName("else")) return ParseBody(&stmt->orelse, "endfor");
  Next();
  return {};
}

Status Parser::ParseSet(Stmt* stmt) {
  HEW_ASSIGN(stmt->target, ParseTarget(true));
  if (SkipOperator("=")) {
    stmt->kind = StmtKind::kSet;
    HEW_ASSIGN(stmt->expr, ParseTuple(true, false));
    return {};
  }
  stmt->kind = StmtKind::kSetBlock;
  if (Current().IsOperator("|")) {
    HEW_ASSIGN(stmt->expr, ParseFilters(nullptr));
  }
  const int loops = std::exchange(loops_, 0);
  const Status body = ParseBody(&stmt->body, "endset");
  loops_ = loops;
  return body;
}

Status Parser::ParseSignature(MacroDecl* macro) {
  HEW_RETURN_IF_ERROR(ExpectOperator("("));
  while (!Current().IsOperator(")")) {
    if (!macro->parameters.empty()) HEW_RETURN_IF_ERROR(ExpectOperator(","));
    if (Current().IsOperator(")")) break;
    HEW_ASSIGN(const Token name, ExpectName());
    macro->parameters.push_back(IdOf(name.text));
    macro->parameter_names.push_back(name.text);
    if (SkipOperator("=")) {
      HEW_ASSIGN(ExprPtr otherwise, ParseExpression());
      macro->defaults.push_back(std::move(otherwise));
    } else if (!macro->defaults.empty()) {
      return BadInput("line {}: expected a default for '{}', which follows one that has it", name.line, name.text);
    }
  }
  return ExpectOperator(")");
}

Status Parser::ParseMacroBody(MacroDecl* macro, std::string_view end) {
  macros_.push_back(macro);
  const int loops = std::exchange(loops_, 0);
  const Status body = ParseBody(&macro->body, end);
  loops_ = loops;
  macros_.pop_back();
  return body;
}

Status Parser::ParseMacro(Stmt* stmt) {
  stmt->kind = StmtKind::kMacro;
  stmt->macro = std::make_unique<MacroDecl>();
  HEW_ASSIGN(const Token name, ExpectName());
  stmt->macro->name = name.text;
  stmt->macro->id = IdOf(name.text);
  macros_.push_back(stmt->macro.get());
  const Status signature = ParseSignature(stmt->macro.get());
  macros_.pop_back();
  HEW_RETURN_IF_ERROR(signature);
  return ParseMacroBody(stmt->macro.get(), "endmacro");
}

Status Parser::ParseCallBlock(Stmt* stmt) {
  stmt->kind = StmtKind::kCall;
  stmt->macro = std::make_unique<MacroDecl>();
  stmt->macro->name = "caller";
  if (Current().IsOperator("(")) HEW_RETURN_IF_ERROR(ParseSignature(stmt->macro.get()));
  HEW_ASSIGN(stmt->expr, ParseExpression());
  if (stmt->expr->kind != ExprKind::kCall) return BadInput("line {}: expected a call after 'call'", stmt->line);
  return ParseMacroBody(stmt->macro.get(), "endcall");
}

Status Parser::ParseFilterBlock(Stmt* stmt) {
  stmt->kind = StmtKind::kFilterBlock;
  HEW_ASSIGN(ExprPtr first, ParseFilter(nullptr));
  HEW_ASSIGN(stmt->expr, ParseFilters(std::move(first)));
  const int loops = std::exchange(loops_, 0);
  const Status body = ParseBody(&stmt->body, "endfilter");
  loops_ = loops;
  return body;
}

Status Parser::ParseWith(Stmt* stmt) {
  stmt->kind = StmtKind::kWith;
  while (Current().type != TokenType::kBlockEnd) {
    if (!stmt->assignments.empty()) HEW_RETURN_IF_ERROR(ExpectOperator(","));
    HEW_ASSIGN(ExprPtr target, ParseTargetItem(false));
    HEW_RETURN_IF_ERROR(ExpectOperator("="));
    HEW_ASSIGN(ExprPtr value, ParseExpression());
    stmt->assignments.emplace_back(std::move(target), std::move(value));
  }
  return ParseBody(&stmt->body, "endwith");
}

Result<ExprPtr> Parser::ParseTarget(bool with_namespace) {
  HEW_ASSIGN(ExprPtr first, ParseTargetItem(with_namespace));
  if (!Current().IsOperator(",")) return first;
  ExprPtr tuple = Make(ExprKind::kTuple, first->line);
  tuple->operands.push_back(std::move(first));
  while (SkipOperator(",")) {
    if (Current().type != TokenType::kName && !Current().IsOperator("(")) break;
    if (Current().IsName("in")) break;
    HEW_ASSIGN(ExprPtr item, ParseTargetItem(with_namespace));
    tuple->operands.push_back(std::move(item));
  }
  return Finish(std::move(tuple));
}

Result<ExprPtr> Parser::ParseTargetItem(bool with_namespace) {
  const Level level(&depth_);
  HEW_RETURN_IF_ERROR(CheckDepth());
  if (SkipOperator("(")) {
    HEW_ASSIGN(ExprPtr inner, ParseTarget(with_namespace));
    HEW_RETURN_IF_ERROR(ExpectOperator(")"));
    return inner;
  }
  HEW_ASSIGN(const Token name, ExpectName());
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name.text == constant) return BadInput("line {}: cannot assign to '{}'", name.line, name.text);
  }
  ExprPtr target = Make(ExprKind::kName, name.line);
  target->id = IdOf(name.text);
  target->name = name.text;
  if (with_namespace && SkipOperator(".")) {
    HEW_ASSIGN(const Token attribute, ExpectName());
    target->kind = ExprKind::kNamespaceAttribute;
    target->name = attribute.text;
  }
  return target;
}

}  // namespace hew::jinja
