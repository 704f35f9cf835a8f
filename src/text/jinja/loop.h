// The `loop` variable of a {% for %}: pulls items one by one, so that an inline `if` is asked as late as Python would.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "text/jinja/value.h"

namespace hew::jinja {

struct Stmt;
struct Scope;

class Loop {
 public:
  using Accepts = std::function<Result<bool>(const Value&)>;
  // `accepts` is empty if every item passes. `depth` is 1 for a loop that is in no recursive loop.
  Loop(std::vector<Value> items, Accepts accepts, int depth)
      : items_(std::move(items)), accepts_(std::move(accepts)), depth_(depth), nesting_(NestingOf(items_)) {}

  // Moves to the next item; false at the end.
  Result<bool> Next();
  const Value& current() const { return *current_; }
  // loop.NAME, or undefined; an empty optional if there is no such attribute.
  Result<std::optional<Value>> Attribute(std::string_view name);
  // loop.changed(...): true if the values differ from the last call's.
  Result<bool> Changed(const std::vector<Value>& values, Budget* budget);
  int64_t index0() const { return index_; }
  int depth() const { return depth_; }
  // The loop is over: nothing more is pulled, and what could make a circle of references is dropped.
  void Close();
  int Nesting() const { return nesting_; }

  // For a recursive loop: what loop(...) runs again.
  const Stmt* statement = nullptr;
  std::shared_ptr<Scope> scope;

 private:
  static int NestingOf(const std::vector<Value>& items);
  Result<std::optional<Value>> Pull();
  Result<bool> Peek();

  std::vector<Value> items_;
  Accepts accepts_;
  size_t position_ = 0;
  std::vector<Value> peeked_;  // accepted, not yet walked; front first
  size_t peeked_from_ = 0;
  std::optional<Value> previous_;
  std::optional<Value> current_;
  std::optional<std::vector<Value>> last_changed_;
  int64_t index_ = -1;
  int depth_ = 1;
  int nesting_ = 1;
};

}  // namespace hew::jinja
