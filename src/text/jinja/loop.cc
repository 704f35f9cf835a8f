#include "text/jinja/loop.h"

#include <algorithm>

namespace hew::jinja {

Result<std::optional<Value>> Loop::Pull() {
  while (position_ < items_.size()) {
    const Value& item = items_[position_++];
    if (!accepts_) return item;
    HEW_ASSIGN(const bool accepted, accepts_(item));
    if (accepted) return item;
  }
  return std::optional<Value>();
}

// True if there is an item after the current one, which then lies in peeked_.
Result<bool> Loop::Peek() {
  if (peeked_from_ < peeked_.size()) return true;
  HEW_ASSIGN(auto item, Pull());
  if (!item) return false;
  peeked_.push_back(*item);
  return true;
}

Result<bool> Loop::Next() {
  HEW_ASSIGN(const bool more, Peek());
  if (!more) return false;
  previous_ = std::move(current_);
  current_ = std::move(peeked_[peeked_from_++]);
  if (peeked_from_ == peeked_.size()) {
    peeked_.clear();
    peeked_from_ = 0;
  }
  ++index_;
  return true;
}

Result<std::optional<Value>> Loop::Attribute(std::string_view name) {
  const auto found = [](Value v) { return std::optional<Value>(std::move(v)); };
  if (name == "index0") return found(Value::Int(index_));
  if (name == "index") return found(Value::Int(index_ + 1));
  if (name == "first") return found(Value::Bool(index_ == 0));
  if (name == "depth") return found(Value::Int(depth_));
  if (name == "depth0") return found(Value::Int(depth_ - 1));
  if (name == "previtem") {
    return found(index_ > 0 && previous_ ? *previous_ : Value::MakeUndefined("there is no previous item"));
  }
  if (name == "last" || name == "nextitem") {
    HEW_ASSIGN(const bool more, Peek());
    if (name == "last") return found(Value::Bool(!more));
    return found(more ? peeked_[peeked_from_] : Value::MakeUndefined("there is no next item"));
  }
  if (name == "length" || name == "revindex" || name == "revindex0") {
    for (;;) {
      HEW_ASSIGN(auto item, Pull());
      if (!item) break;
      peeked_.push_back(*item);
    }
    const auto length = index_ + 1 + static_cast<int64_t>(peeked_.size() - peeked_from_);
    if (name == "length") return found(Value::Int(length));
    return found(Value::Int(length - index_ - (name == "revindex" ? 0 : 1)));
  }
  return std::optional<Value>();
}

Result<bool> Loop::Changed(const std::vector<Value>& values, Budget* budget) {
  bool same = last_changed_.has_value() && last_changed_->size() == values.size();
  for (size_t i = 0; same && i < values.size(); ++i) {
    HEW_ASSIGN(same, Equal((*last_changed_)[i], values[i], budget));
  }
  if (!same) last_changed_ = values;
  return !same;
}

void Loop::Close() {
  accepts_ = nullptr;
  items_.clear();
  position_ = 0;
  peeked_.clear();
  peeked_from_ = 0;
  last_changed_.reset();
  statement = nullptr;
  scope = nullptr;
}

int Loop::NestingOf(const std::vector<Value>& items) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.Nesting());
  return deepest + 1;
}

}  // namespace hew::jinja
