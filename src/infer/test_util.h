// What the tests of infer/ share.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "infer/constraint.h"
#include "text/tokenizer.h"

namespace hew::test {

// A vocabulary of 70, some of whose tokens are bytes of a three-byte character: tokens are not whole characters.
class PieceTokenizer : public Tokenizer {
 public:
  explicit PieceTokenizer(std::vector<int32_t> ends = {}, int32_t byte_ids = 3) : byte_ids_(byte_ids) {
    end_ids_ = std::move(ends);
  }
  std::vector<int32_t> Encode(std::string_view, EncodeOptions) const override { return {}; }
  std::string TokenBytes(int32_t id, bool special) const override {
    if (IsSpecial(id)) return special ? "<end>" : "";
    static const std::string kKorean = "배";
    return id < byte_ids_ ? std::string(1, kKorean[static_cast<size_t>(id % 3)])
                          : std::string(1, static_cast<char>('0' + id));
  }
  int64_t vocab_size() const override { return 70; }
  std::string_view kind() const override { return "pieces"; }
  bool IsSpecial(int32_t id) const override {
    return std::find(end_ids_.begin(), end_ids_.end(), id) != end_ids_.end();
  }
  std::optional<int32_t> TokenId(std::string_view) const override { return std::nullopt; }

 private:
  int32_t byte_ids_;  // ids below are bytes of the character, the others ASCII
};

// Every byte is a token, and so are `pieces`; the last id ends an answer.
class BytesTokenizer : public Tokenizer {
 public:
  explicit BytesTokenizer(std::vector<std::string> pieces = {}, int bytes = 256) {
    for (int byte = 0; byte < bytes; ++byte) tokens_.push_back(std::string(1, static_cast<char>(byte)));
    tokens_.insert(tokens_.end(), pieces.begin(), pieces.end());
    tokens_.push_back("");
    end_ids_ = {static_cast<int32_t>(tokens_.size()) - 1};
  }
  std::vector<int32_t> Encode(std::string_view text, EncodeOptions) const override {
    return {reinterpret_cast<const uint8_t*>(text.data()), reinterpret_cast<const uint8_t*>(text.data()) + text.size()};
  }
  std::string TokenBytes(int32_t id, bool) const override { return tokens_[static_cast<size_t>(id)]; }
  int64_t vocab_size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::string_view kind() const override { return "bytes"; }
  bool IsSpecial(int32_t id) const override { return id == end_ids_[0]; }
  std::optional<int32_t> TokenId(std::string_view) const override { return std::nullopt; }
  int32_t end() const { return end_ids_[0]; }

 private:
  std::vector<std::string> tokens_;
};

// Pieces of JSON and Korean text, cut anywhere, also within characters.
inline std::vector<std::string> RandomPieces(Random& random, size_t count) {
  static const std::string kText =
      R"({"name": "배송 상태", "tags": ["가", "b c"], "n": -12.5e3, "ok": true, "x": null, "deep": {"a": {"b": [[], {}]}}}, "\\n\u00e9\ud83d\ude00 😀 é": false,
        "price": 10, "items": [1, 2, 3]},     "":"":0,"a"," "}]]}"}")";
  std::vector<std::string> pieces;
  while (pieces.size() < count) {
    const size_t at = random.Below(kText.size());
    pieces.push_back(kText.substr(at, 2 + random.Below(7)));
  }
  return pieces;
}

inline std::vector<int32_t> AllowedIds(TokenConstraint& constraint, int64_t vocab) {
  std::vector<float> logits(static_cast<size_t>(vocab));
  constraint.Mask(logits);
  std::vector<int32_t> ids;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isinf(logits[i])) ids.push_back(static_cast<int32_t>(i));
  }
  return ids;
}

// An answer of random tokens that the constraint allows; after `most` tokens those that end it soonest. `told` learns
// each.
inline std::string RandomAnswer(TokenConstraint& constraint, const BytesTokenizer& tokenizer, Random& random, int most,
                                const std::function<void(int32_t)>& told = nullptr) {
  // By what ends things soonest: within a string (where a q may come) its quote.
  const auto rank = [&](int32_t id, bool in_string) {
    if (id == tokenizer.end()) return -1;
    const std::string bytes = tokenizer.TokenBytes(id, false);
    const size_t at = std::string_view(in_string ? "\"" : "}]\"ntf0123456789").find(bytes[0]);
    const bool more = bytes[0] == ',' || bytes[0] <= ' ';
    return static_cast<int>(bytes.size()) - 1 + (at != std::string::npos ? static_cast<int>(at) : more ? 60 : 30);
  };
  std::string text;
  for (int i = 0;; ++i) {
    const std::vector<int32_t> allowed = AllowedIds(constraint, tokenizer.vocab_size());
    if (allowed.empty() || i > 100 * most) return text + "<no end>";
    int32_t id = allowed[random.Below(allowed.size())];
    if (i >= most || random.Below(4) == 0) {
      const bool in_string = std::find(allowed.begin(), allowed.end(), 'q') != allowed.end();
      id = *std::min_element(allowed.begin(), allowed.end(), [&](auto a, auto b) { return rank(a, in_string) < rank(b, in_string); });
    }
    constraint.Take(id);
    if (told) told(id);
    if (id == tokenizer.end()) return text;
    text += tokenizer.TokenBytes(id, false);
  }
}

}  // namespace hew::test
