// What the evaluator's parts set for a while.
#pragma once

#include <memory>
#include <utility>

#include "text/jinja/evaluator.h"

namespace hew::jinja {

// Another scope while it lives.
class Evaluator::ScopeGuard {
 public:
  ScopeGuard(Evaluator* evaluator, std::shared_ptr<Scope> scope)
      : evaluator_(evaluator), saved_(std::exchange(evaluator->scope_, std::move(scope))) {}
  // A new scope inside the present one.
  explicit ScopeGuard(Evaluator* evaluator) : ScopeGuard(evaluator, std::make_shared<Scope>(evaluator->scope_)) {}
  ~ScopeGuard() { evaluator_->scope_ = std::move(saved_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Evaluator* evaluator_;
  std::shared_ptr<Scope> saved_;
};

// One more level of the machine's stack.
class Evaluator::DepthGuard {
 public:
  explicit DepthGuard(Evaluator* evaluator) : evaluator_(evaluator) { ++evaluator_->depth_; }
  ~DepthGuard() { --evaluator_->depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
  Status Check() const {
    if (evaluator_->depth_ <= kMaxLevels) return {};
    return BadInput("the template nests more than {} levels deep", kMaxLevels);
  }

 private:
  static constexpr int kMaxLevels = 1000;  // statements and expressions inside each other, through all macro calls
  Evaluator* evaluator_;
};

}  // namespace hew::jinja
