#include "text/special_tokens.h"

#include <algorithm>

namespace hew {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }
bool IsWordByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

std::string_view StripRight(std::string_view text) {
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}
std::string_view StripLeft(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  return text;
}

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !IsWordByte(text[begin - 1])) && (end == text.size() || !IsWordByte(text[end]));
}

}  // namespace

void SpecialTokens::Add(SpecialToken token) {
  if (token.text.empty()) return;
  const auto at = std::find_if(tokens_.begin(), tokens_.end(), [&](const auto& t) { return t.text.size() < token.text.size(); });
  tokens_.insert(at, std::move(token));
  for (auto& bucket : by_first_byte_) bucket.clear();
  for (uint32_t i = 0; i < tokens_.size(); ++i) by_first_byte_[static_cast<unsigned char>(tokens_[i].text[0])].push_back(i);
}

std::vector<SpecialTokens::Piece> SpecialTokens::SplitLongestFirst(std::string_view text, bool parse_control) const {
  std::vector<Piece> pieces = {{text, -1}};
  for (const SpecialToken& token : tokens_) {
    if (token.control && !parse_control) continue;
    if (text.find(token.text) == std::string_view::npos) continue;
    std::vector<Piece> cut;
    for (Piece piece : pieces) {
      for (size_t at; piece.id < 0 && (at = piece.text.find(token.text)) != std::string_view::npos;) {
        std::string_view before = piece.text.substr(0, at);
        if (token.strip_left) before = StripRight(before);
        if (!before.empty()) cut.push_back({before, -1});
        cut.push_back({token.text, token.id});
        piece.text.remove_prefix(at + token.text.size());
        if (token.strip_right) piece.text = StripLeft(piece.text);
      }
      if (piece.id >= 0 || !piece.text.empty()) cut.push_back(piece);
    }
    pieces = std::move(cut);
  }
  return pieces;
}

std::vector<SpecialTokens::Piece> SpecialTokens::SplitLeftmost(std::string_view text, bool parse_control) const {
  std::vector<Piece> pieces;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const SpecialToken* found = nullptr;
    for (uint32_t index : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      const SpecialToken& token = tokens_[index];
      if ((token.control && !parse_control) || text.compare(at, token.text.size(), token.text) != 0) continue;
      if (token.single_word && !StandsAlone(text, at, at + token.text.size())) continue;
      found = &token;
      break;
    }
    if (!found) {
      ++at;
      continue;
    }
    std::string_view before = text.substr(begin, at - begin);
    if (found->strip_left) before = StripRight(before);
    if (!before.empty()) pieces.push_back({before, -1});
    pieces.push_back({found->text, found->id});
    at += found->text.size();
    if (found->strip_right) at = text.size() - StripLeft(text.substr(at)).size();
    begin = at;
  }
  if (begin < text.size()) pieces.push_back({text.substr(begin), -1});
  return pieces;
}

void SpecialTokens::Split(std::string_view text, bool parse_control, const std::function<void(std::string_view)>& on_text,
                          const std::function<void(int32_t)>& on_token) const {
  const auto pieces = order_ == Order::kLongestFirst ? SplitLongestFirst(text, parse_control) : SplitLeftmost(text, parse_control);
  for (const Piece& piece : pieces) {
    if (piece.id >= 0) {
      on_token(piece.id);
    } else if (!piece.text.empty()) {
      on_text(piece.text);
    }
  }
}

}  // namespace hew
