#include "text/jinja/evaluator.h"

#include "text/jinja/evaluator_guards.h"
#include "text/jinja/globals.h"
#include "text/jinja/json_value.h"

namespace hew::jinja {

Evaluator::Evaluator(const Ast& ast, const JinjaClock& clock, const JinjaLimits& limits)
    : ast_(ast),
      clock_(clock),
      limits_(limits),
      budget_(limits.max_steps, limits.max_output_bytes),
      scope_(std::make_shared<Scope>(nullptr)) {}

Evaluator::~Evaluator() {
  // One by one while all are still held, so that no chain of destructors runs deep.
  for (const auto& scope : captured_scopes_) scope->variables.clear();
  for (const auto& ns : namespaces_) ns->attributes.clear();
}

Result<RenderedTemplate> Evaluator::Run(const nlohmann::ordered_json& context, const nlohmann::ordered_json& data) {
  base_.reserve(ast_.names.size());
  for (const std::string& name : ast_.names) {
    if (const auto found = data.find(name); found != data.end()) {
      HEW_ASSIGN(Value value, FromJson(*found, true));
      base_.push_back(std::move(value));
    } else if (const auto own = context.find(name); own != context.end()) {
      HEW_ASSIGN(Value value, FromJson(*own, false));
      base_.push_back(std::move(value));
    } else if (IsGlobal(name)) {
      auto function = std::make_shared<Callable>();
      function->name = name;
      base_.push_back(Value::From(std::move(function)));
    } else {
      base_.push_back(Value::MakeUndefined("'" + name + "' is undefined"));
    }
  }
  HEW_ASSIGN(const Flow flow, ExecBlock(ast_.body));
  (void)flow;
  return RenderedTemplate{root_.TakeBytes(), root_.TakeData(), std::move(spans_)};
}

Status Evaluator::CheckWrite(size_t bytes) {
  if (out_->size() + bytes > static_cast<uint64_t>(limits_.max_output_bytes)) {
    return BadInput("the template makes a text longer than {} bytes", limits_.max_output_bytes);
  }
  return budget_.Charge(static_cast<int64_t>(bytes / 256));
}

Status Evaluator::Write(const MarkedText& text) {
  HEW_RETURN_IF_ERROR(CheckWrite(text.size()));
  out_->Append(text);
  return {};
}

Result<Value> Evaluator::MakeText(MarkedText text, bool safe) {
  HEW_RETURN_IF_ERROR(budget_.ChargeText(text.size()));
  return Value::FromText(std::move(text), safe);
}

Result<Value> Evaluator::MakeList(std::vector<Value> items, Sequence::Type type) {
  HEW_RETURN_IF_ERROR(budget_.ChargeItems(items.size()));
  return MakeSequence(type, std::move(items));
}

std::shared_ptr<Namespace> Evaluator::NewNamespace() {
  namespaces_.push_back(std::make_shared<Namespace>());
  return namespaces_.back();
}

Result<Value> Evaluator::Lookup(int id) {
  size_t looked = 0;
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    looked += scope->variables.size();
    for (const auto& [name, value] : scope->variables) {
      if (name == id) return value;
    }
  }
  HEW_RETURN_IF_ERROR(budget_.Charge(static_cast<int64_t>(looked / 64)));
  return base_[static_cast<size_t>(id)];
}

void Evaluator::SetVariable(int id, Value value) {
  for (auto& [name, old] : scope_->variables) {
    if (name == id) {
      old = std::move(value);
      return;
    }
  }
  scope_->variables.emplace_back(id, std::move(value));
}

Result<Evaluator::Flow> Evaluator::ExecBlock(const Block& block) {
  const DepthGuard depth(this);
  HEW_RETURN_IF_ERROR(depth.Check());
  for (const Stmt& stmt : block) {
    HEW_ASSIGN(const Flow flow, Exec(stmt));
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Result<Evaluator::Flow> Evaluator::Exec(const Stmt& stmt) {
  line_ = stmt.line;
  HEW_RETURN_IF_ERROR(budget_.Charge(1 + static_cast<int64_t>(scope_->variables.size() / 64)));
  Status status;
  switch (stmt.kind) {
    case StmtKind::kText:
      status = CheckWrite(stmt.text.size());
      if (status) out_->Append(stmt.text);
      break;
    case StmtKind::kOutput: {
      HEW_ASSIGN(const Value value, Eval(*stmt.expr));
      if (value.Is(Kind::kText)) {
        status = Write(value.AsMarkedText());
      } else {
        HEW_ASSIGN(const MarkedText text, ToText(value, &budget_));
        status = Write(text);
      }
      break;
    }
    case StmtKind::kIf:
      return ExecIf(stmt);
    case StmtKind::kFor:
      return ExecFor(stmt);
    case StmtKind::kSet: {
      HEW_ASSIGN(const Value value, Eval(*stmt.expr));
      status = Assign(*stmt.target, value);
      break;
    }
    case StmtKind::kSetBlock:
      status = ExecSetBlock(stmt);
      break;
    case StmtKind::kMacro:
      SetVariable(stmt.macro->id, MakeMacro(*stmt.macro));
      break;
    case StmtKind::kCall:
      status = ExecCall(stmt);
      break;
    case StmtKind::kFilterBlock:
      status = ExecFilterBlock(stmt);
      break;
    case StmtKind::kWith:
      return ExecWith(stmt);
    case StmtKind::kGeneration:
      status = ExecGeneration(stmt);
      break;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  HEW_RETURN_IF_ERROR(status);
  return Flow::kOn;
}

Result<Evaluator::Flow> Evaluator::ExecIf(const Stmt& stmt) {
  for (const IfBranch& branch : stmt.branches) {
    HEW_ASSIGN(const Value condition, Eval(*branch.condition));
    if (Truth(condition)) return ExecBlock(branch.body);
  }
  return ExecBlock(stmt.orelse);
}

Result<Evaluator::Flow> Evaluator::ExecFor(const Stmt& stmt) {
  HEW_ASSIGN(const Value iterable, Eval(*stmt.expr));
  return RunLoop(stmt, iterable, 1, scope_);
}

Result<Evaluator::Flow> Evaluator::RunLoop(const Stmt& stmt, const Value& iterable, int depth,
                                           std::shared_ptr<Scope> outer) {
  HEW_ASSIGN(auto items, Iterate(iterable, &budget_));
  Loop::Accepts accepts;
  if (stmt.condition != nullptr) {
    accepts = [this, &stmt, outer](const Value& item) -> Result<bool> {
      const ScopeGuard guard(this, std::make_shared<Scope>(outer));
      HEW_RETURN_IF_ERROR(budget_.Charge(1));
      HEW_RETURN_IF_ERROR(Assign(*stmt.target, item));
      HEW_ASSIGN(const Value accepted, Eval(*stmt.condition));
      return Truth(accepted);
    };
  }
  const auto loop = std::make_shared<Loop>(std::move(items), std::move(accepts), depth);
  if (stmt.recursive) {
    loop->statement = &stmt;
    loop->scope = outer;
  }
  auto flow = RunIterations(stmt, loop, outer);
  loop->Close();
  return flow;
}

// What the else block does to the loop around this one is returned.
Result<Evaluator::Flow> Evaluator::RunIterations(const Stmt& stmt, const std::shared_ptr<Loop>& loop,
                                                 const std::shared_ptr<Scope>& outer) {
  // Jinja's else also runs if no round came to its end, because break or continue cut each short.
  bool completed = false;
  for (;;) {
    HEW_ASSIGN(const bool more, loop->Next());
    if (!more) break;
    HEW_RETURN_IF_ERROR(budget_.Charge(1));
    const ScopeGuard guard(this, std::make_shared<Scope>(outer));
    SetVariable(ast_.loop, Value::From(loop));
    HEW_RETURN_IF_ERROR(Assign(*stmt.target, loop->current()));
    HEW_ASSIGN(const Flow flow, ExecBlock(stmt.body));
    if (flow == Flow::kBreak) break;
    completed |= flow == Flow::kOn;
  }
  if (completed || stmt.orelse.empty()) return Flow::kOn;
  const ScopeGuard guard(this, std::make_shared<Scope>(outer));
  return ExecBlock(stmt.orelse);
}

Result<MarkedText> Evaluator::Capture(const Block& block) {
  MarkedText text;
  MarkedText* const saved = std::exchange(out_, &text);
  const auto flow = ExecBlock(block);
  out_ = saved;
  if (!flow) return tl::unexpected(flow.error());
  return text;
}

Status Evaluator::ExecSetBlock(const Stmt& stmt) {
  Value value;
  {
    const ScopeGuard guard(this);
    HEW_ASSIGN(MarkedText text, Capture(stmt.body));
    HEW_ASSIGN(value, MakeText(std::move(text)));
    if (stmt.expr != nullptr) {
      captured_ = value;
      HEW_ASSIGN(value, Eval(*stmt.expr));
    }
  }
  return Assign(*stmt.target, value);
}

Status Evaluator::ExecFilterBlock(const Stmt& stmt) {
  const ScopeGuard guard(this);
  HEW_ASSIGN(MarkedText text, Capture(stmt.body));
  HEW_ASSIGN(captured_, MakeText(std::move(text)));
  HEW_ASSIGN(const Value value, Eval(*stmt.expr));
  HEW_ASSIGN(const MarkedText printed, ToText(value, &budget_));
  return Write(printed);
}

Status Evaluator::ExecCall(const Stmt& stmt) {
  HEW_RETURN_IF_ERROR(budget_.Charge(4));
  const Value caller = MakeMacro(*stmt.macro);
  HEW_ASSIGN(const Value value, EvalCall(*stmt.expr, &caller));
  HEW_ASSIGN(const MarkedText text, ToText(value, &budget_));
  return Write(text);
}

Result<Evaluator::Flow> Evaluator::ExecWith(const Stmt& stmt) {
  // Every value is worked out before any name is set.
  std::vector<Value> values;
  for (const auto& assignment : stmt.assignments) {
    HEW_ASSIGN(Value value, Eval(*assignment.second));
    values.push_back(std::move(value));
  }
  const ScopeGuard guard(this);
  for (size_t i = 0; i < values.size(); ++i) HEW_RETURN_IF_ERROR(Assign(*stmt.assignments[i].first, values[i]));
  return ExecBlock(stmt.body);
}

Status Evaluator::ExecGeneration(const Stmt& stmt) {
  const ScopeGuard guard(this);
  const bool at_root = out_ == &root_;
  const size_t begin = out_->size();
  HEW_ASSIGN(const Flow flow, ExecBlock(stmt.body));
  (void)flow;
  if (at_root) spans_.emplace_back(begin, out_->size());
  return {};
}

Status Evaluator::Assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::kName) {
    SetVariable(target.id, value);
    return {};
  }
  if (target.kind == ExprKind::kNamespaceAttribute) {
    HEW_ASSIGN(const Value ns, Lookup(target.id));
    if (!ns.Is(Kind::kNamespace)) {
      return BadInput("cannot set attribute '{}': expected a namespace, found {}", target.name, TypeName(ns));
    }
    HEW_RETURN_IF_ERROR(budget_.Charge(static_cast<int64_t>(ns.AsNamespace().attributes.size() / 64)));
    ns.AsNamespace().Set(target.name, value);
    return {};
  }
  HEW_ASSIGN(const auto items, Iterate(value, &budget_));
  if (items.size() != target.operands.size()) {
    return BadInput("cannot unpack: expected {} values, found {}", target.operands.size(), items.size());
  }
  for (size_t i = 0; i < items.size(); ++i) HEW_RETURN_IF_ERROR(Assign(*target.operands[i], items[i]));
  return {};
}

}  // namespace hew::jinja
