#include "text/jinja/attribute_path.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "text/jinja/evaluator.h"
#include "text/jinja/unicode.h"

namespace hew::jinja {

Result<AttributePath> AttributePath::Parse(const Value& attribute) {
  AttributePath path;
  if (attribute.Is(Kind::kNone)) return path;
  if (!attribute.Is(Kind::kText)) {
    path.parts_.push_back(attribute);
    return path;
  }
  std::string_view rest = attribute.AsText();
  for (;;) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = !part.empty() && part[0] != '-' && error == std::errc() && end == part.data() + part.size();
    path.parts_.push_back(is_index ? Value::Int(index) : Value::FromText(std::string(part)));
    if (dot == std::string_view::npos) return path;
    rest = rest.substr(dot + 1);
  }
}

Result<Value> AttributePath::Get(Evaluator& evaluator, Value item, const Value* otherwise) const {
  HEW_RETURN_IF_ERROR(evaluator.budget()->Charge(1));
  for (const Value& part : parts_) {
    HEW_ASSIGN(item, evaluator.GetItem(item, part));
    if (otherwise != nullptr && item.Is(Kind::kUndefined)) item = *otherwise;
  }
  return item;
}

Result<Value> CaseKey(Evaluator& evaluator, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.Is(Kind::kText)) return value;
  return evaluator.MakeText(Lower(value.AsText()));
}

Status SortByKeys(Evaluator& evaluator, const std::vector<Value>& keys, bool reverse, std::vector<Value>* items) {
  // A merge sort of positions, bottom up: std::stable_sort could not hand back an error.
  std::vector<size_t> order(items->size()), merged(items->size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t width = 1; width < order.size(); width *= 2) {
    for (size_t begin = 0; begin < order.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, order.size());
      const size_t end = std::min(begin + 2 * width, order.size());
      size_t left = begin, right = middle;
      for (size_t out = begin; out < end; ++out) {
        bool take_right = left == middle;
        if (left < middle && right < end) {
          HEW_ASSIGN(const auto compared, Order(keys[order[right]], keys[order[left]], evaluator.budget()));
          take_right = reverse ? compared > 0 : compared < 0;
        }
        merged[out] = take_right ? order[right++] : order[left++];
      }
    }
    order.swap(merged);
  }
  std::vector<Value> sorted;
  sorted.reserve(items->size());
  for (const size_t i : order) sorted.push_back((*items)[i]);
  *items = std::move(sorted);
  return {};
}

}  // namespace hew::jinja
