#include "text/special_tokens.h"

#include <algorithm>
#include <map>

#include "text/unicode.h"

namespace hew {
namespace {

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !IsWordCode(CharacterBefore(text, begin).code)) &&
         (end == text.size() || !IsWordCode(CharacterAt(text, end).code));
}

}  // namespace

void SpecialTokens::Add(SpecialToken token) {
  if (!token.text.empty()) tokens_.push_back(std::move(token));
}

void SpecialTokens::Finish() {
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
  edges_.clear();
  token_at_node_.assign(1, -1);
  for (size_t i = 0; i < tokens_.size(); ++i) {
    uint32_t node = 0;
    for (unsigned char byte : tokens_[i].text) {
      const auto [edge, fresh] =
          edges_.emplace(uint64_t{node} << 8 | byte, static_cast<uint32_t>(token_at_node_.size()));
      if (fresh) token_at_node_.push_back(-1);
      node = edge->second;
    }
    if (token_at_node_[node] < 0) token_at_node_[node] = static_cast<int32_t>(i);
    begins_[static_cast<unsigned char>(tokens_[i].text[0])] = true;
  }
}

template <typename Fn>
void SpecialTokens::ForEachAt(std::string_view text, size_t at, Fn fn) const {
  if (!begins_[static_cast<unsigned char>(text[at])]) return;
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto edge = edges_.find(uint64_t{node} << 8 | static_cast<unsigned char>(text[i]));
    if (edge == edges_.end()) return;
    node = edge->second;
    if (token_at_node_[node] >= 0) fn(static_cast<uint32_t>(token_at_node_[node]), i + 1);
  }
}

std::optional<int32_t> SpecialTokens::Find(std::string_view text) const {
  std::optional<int32_t> id;
  if (text.empty() || token_at_node_.empty()) return id;
  ForEachAt(text, 0, [&](uint32_t token, size_t end) {
    if (end == text.size()) id = tokens_[token].id;
  });
  return id;
}

std::vector<SpecialTokens::Found> SpecialTokens::FindLongestFirst(std::string_view text,
                                                                  const ControlRule& control) const {
  std::vector<Found> candidates;
  for (size_t at = 0; at < text.size(); ++at) {
    ForEachAt(text, at, [&](uint32_t token, size_t end) {
      if (!tokens_[token].control || control.Takes(at, end)) candidates.push_back({at, end, token});
    });
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Found& a, const Found& b) { return a.token < b.token; });
  std::map<size_t, Found> taken;  // by begin; no two overlap
  for (Found found : candidates) {
    const auto next = taken.lower_bound(found.begin);
    if (next != taken.end() && next->second.begin < found.end) continue;
    if (next != taken.begin() && std::prev(next)->second.end > found.begin) continue;
    const size_t free_to = next == taken.end() ? text.size() : next->first;
    const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
    while (tokens_[found.token].strip_right && found.end < free_to && is_space(text[found.end])) ++found.end;
    taken.emplace_hint(next, found.begin, found);
  }
  std::vector<Found> result;
  for (const auto& [begin, found] : taken) result.push_back(found);
  return result;
}

std::vector<SpecialTokens::Found> SpecialTokens::FindLeftmost(std::string_view text, const ControlRule& control) const {
  std::vector<Found> result;
  size_t free_from = 0;  // what lies before belongs to the last token found
  for (size_t at = 0; at < text.size();) {
    Found found = {at, at, 0};
    ForEachAt(text, at, [&](uint32_t token, size_t end) {
      // A match that reaches out of the data into the template hides nothing there.
      const bool crosses =
          control.parse && tokens_[token].control && !control.Takes(at, end) && !Inside(control.data, at, end);
      if (!crosses) found = {at, end, token};
    });
    if (found.end == at) {
      ++at;
      continue;
    }
    at = found.end;  // a token that is not taken still hides those inside it
    const SpecialToken& token = tokens_[found.token];
    if ((token.control && !control.Takes(found.begin, found.end)) ||
        (token.single_word && !StandsAlone(text, found.begin, found.end)))
      continue;
    if (token.strip_left) found.begin = free_from + StripRight(text.substr(free_from, found.begin - free_from)).size();
    if (token.strip_right) at = found.end = text.size() - StripLeft(text.substr(found.end)).size();
    free_from = found.end;
    result.push_back(found);
  }
  return result;
}

void SpecialTokens::Split(std::string_view text, const ControlRule& control,
                          const std::function<void(std::string_view)>& on_text,
                          const std::function<void(int32_t)>& on_token) const {
  std::vector<Found> all;
  if (!tokens_.empty())
    all = order_ == Order::kLongestFirst ? FindLongestFirst(text, control) : FindLeftmost(text, control);
  size_t at = 0;
  for (const Found& found : all) {
    if (found.begin > at) on_text(text.substr(at, found.begin - at));
    on_token(tokens_[found.token].id);
    at = found.end;
  }
  if (at < text.size()) on_text(text.substr(at));
}

}  // namespace hew
