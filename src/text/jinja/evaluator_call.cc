// Calls: macros, call blocks, recursive loops, and what builtins do.
#include <algorithm>

#include "text/jinja/evaluator.h"
#include "text/jinja/evaluator_guards.h"
#include "text/jinja/globals.h"
#include "text/jinja/methods.h"

namespace hew::jinja {

Value Evaluator::MakeMacro(const MacroDecl& macro) {
  for (auto scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) {
    scope->captured = true;
    captured_scopes_.push_back(scope);
  }
  auto callable = std::make_shared<Callable>();
  callable->type = Callable::Type::kMacro;
  callable->name = macro.name;
  callable->macro = &macro;
  callable->closure = scope_;
  return Value::From(std::move(callable));
}

Result<Value> Evaluator::Call(const Value& callee, const CallArguments& arguments) {
  if (callee.Is(Kind::kLoop)) return CallLoop(callee.AsLoop(), arguments);
  if (callee.Is(Kind::kUndefined)) return BadInput("{}", callee.UndefinedMessage());
  if (!callee.Is(Kind::kCallable)) return BadInput("'{}' object is not callable", TypeName(callee));
  Callable& callable = callee.AsCallable();
  switch (callable.type) {
    case Callable::Type::kMacro:
      return CallMacro(callable, arguments);
    case Callable::Type::kMethod:
      return CallMethod(*this, callable.self, callable.name, arguments);
    case Callable::Type::kFunction:
      return CallGlobal(*this, callable.name, arguments);
    case Callable::Type::kJoiner:
      return callable.used++ == 0 ? MakeText("") : callable.self;
    case Callable::Type::kCycler:
      break;
  }
  return BadInput("'cycler' object is not callable");
}

Result<Value> Evaluator::CallMacro(const Callable& callable, const CallArguments& arguments) {
  if (calls_ >= limits_.max_depth) return BadInput("macro calls nest more than {} levels deep", limits_.max_depth);
  HEW_RETURN_IF_ERROR(budget_.Charge(1));
  ++calls_;
  Status bound;
  Result<MarkedText> text = MarkedText();
  {
    const ScopeGuard guard(this, std::make_shared<Scope>(callable.closure));
    bound = BindMacro(*callable.macro, arguments);
    if (bound) text = Capture(callable.macro->body);
  }
  --calls_;
  HEW_RETURN_IF_ERROR(bound);
  if (!text) return tl::unexpected(std::move(text).error());
  return MakeText(*std::move(text));
}

// Sets the macro's parameters in the present scope.
Status Evaluator::BindMacro(const MacroDecl& macro, const CallArguments& arguments) {
  const size_t count = macro.parameters.size();
  const size_t given = std::min(count, arguments.positional.size());
  std::vector<bool> set(count, false);
  for (size_t i = 0; i < given; ++i) {
    SetVariable(macro.parameters[i], arguments.positional[i]);
    set[i] = true;
  }
  std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(given),
                          arguments.positional.end());
  if (!rest.empty() && !macro.uses_varargs) {
    return BadInput("macro '{}' takes not more than {} arguments, found {}", macro.name, count,
                    arguments.positional.size());
  }
  auto kwargs = std::make_shared<Dict>();
  bool has_caller = false;
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(macro.parameter_names.begin(), macro.parameter_names.end(), name);
    if (found != macro.parameter_names.end()) {
      const auto i = static_cast<size_t>(found - macro.parameter_names.begin());
      if (set[i]) return BadInput("macro '{}' got two values for argument '{}'", macro.name, name);
      SetVariable(macro.parameters[i], value);
      set[i] = true;
    } else if (name == "caller" && macro.uses_caller) {
      SetVariable(ast_.caller, value);
      has_caller = true;
    } else if (macro.uses_kwargs) {
      HEW_RETURN_IF_ERROR(kwargs->Set(ArgumentName(name), value));
    } else {
      return BadInput("macro '{}' takes no argument '{}'", macro.name, name);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (set[i]) continue;
    const size_t without_default = count - macro.defaults.size();
    Value value = Value::MakeUndefined("parameter '" + macro.parameter_names[i] + "' was not provided");
    if (i >= without_default) {
      HEW_ASSIGN(value, Eval(*macro.defaults[i - without_default]));
    }
    SetVariable(macro.parameters[i], std::move(value));
  }
  const bool caller_parameter =
      std::find(macro.parameters.begin(), macro.parameters.end(), ast_.caller) != macro.parameters.end();
  if (macro.uses_caller && !has_caller && !caller_parameter) {
    SetVariable(ast_.caller, Value::MakeUndefined("no caller defined"));
  }
  if (macro.uses_varargs) {
    HEW_ASSIGN(Value varargs, MakeList(std::move(rest), Sequence::Type::kTuple));
    SetVariable(ast_.varargs, std::move(varargs));
  }
  if (macro.uses_kwargs) SetVariable(ast_.kwargs, Value::From(std::shared_ptr<const Dict>(std::move(kwargs))));
  return {};
}

Result<Value> Evaluator::CallLoop(Loop& loop, const CallArguments& arguments) {
  if (loop.statement == nullptr || loop.scope == nullptr) {
    return BadInput("cannot call loop(): expected a loop that is marked 'recursive'");
  }
  HEW_ASSIGN(const auto bound, BoundArguments::Bind("loop", arguments, {"iterable"}, 1));
  if (calls_ >= limits_.max_depth) return BadInput("loops nest more than {} levels deep", limits_.max_depth);
  ++calls_;
  MarkedText text;
  MarkedText* const saved = std::exchange(out_, &text);
  const auto flow = RunLoop(*loop.statement, bound[0], loop.depth() + 1, loop.scope);
  out_ = saved;
  --calls_;
  if (!flow) return tl::unexpected(flow.error());
  return MakeText(std::move(text));
}

}  // namespace hew::jinja
