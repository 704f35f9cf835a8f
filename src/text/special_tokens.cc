#include "text/special_tokens.h"

#include <algorithm>

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
  std::vector<std::pair<std::string_view, int32_t>> words;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    words.emplace_back(tokens_[i].text, static_cast<int32_t>(i));
    begins_[static_cast<unsigned char>(tokens_[i].text[0])] = true;
  }
  trie_ = Trie(std::move(words));
}

template <typename Fn>
void SpecialTokens::ForEachAt(std::string_view text, size_t at, Fn fn) const {
  if (!begins_[static_cast<unsigned char>(text[at])]) return;
  trie_.ForEachPrefix(text.substr(at),
                      [&](size_t bytes, int32_t token) { fn(static_cast<uint32_t>(token), at + bytes); });
}

std::optional<int32_t> SpecialTokens::Find(std::string_view text) const {
  std::optional<int32_t> id;
  if (text.empty()) return id;
  ForEachAt(text, 0, [&](uint32_t token, size_t end) {
    if (end == text.size()) id = tokens_[token].id;
  });
  return id;
}

std::vector<SpecialTokens::Found> SpecialTokens::FindLongestFirst(std::string_view text,
                                                                  const ControlRule& control) const {
  std::vector<bool> occurs(tokens_.size());
  for (size_t at = 0; at < text.size(); ++at) {
    ForEachAt(text, at, [&](uint32_t token, size_t) { occurs[token] = true; });
  }
  // The text in pieces: what was found, and between that what is free.
  constexpr uint32_t kFree = UINT32_MAX;
  std::vector<Found> pieces = {{0, text.size(), kFree}}, next;
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    const SpecialToken& token = tokens_[i];
    if (!occurs[i] || (token.control && !control.parse)) continue;
    next.clear();
    for (Found piece : pieces) {
      const std::string_view free = text.substr(0, piece.end);
      size_t at = piece.token == kFree ? piece.begin : piece.end;  // where to look on
      while (piece.end - at >= token.text.size()) {
        const size_t begin = free.find(token.text, at);
        if (begin == std::string_view::npos) break;
        at = begin + token.text.size();
        if (token.control && Touches(control.data, begin, at)) {
          at = begin + 1;
          continue;
        }
        const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
        while (token.strip_right && at < piece.end && is_space(text[at])) ++at;
        if (begin > piece.begin) next.push_back({piece.begin, begin, kFree});
        next.push_back({begin, at, i});
        piece.begin = at;
      }
      if (piece.end > piece.begin) next.push_back(piece);
    }
    pieces.swap(next);
  }
  std::erase_if(pieces, [](const Found& piece) { return piece.token == kFree; });
  return pieces;
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
