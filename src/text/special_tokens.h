// Tokens that are found in a text before anything else is done with it: control tokens, and words a user added.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_span.h"
#include "text/trie.h"

namespace hew {

// Which control tokens of a text are taken.
struct ControlRule {
  bool parse = false;                   // none unless this
  std::span<const ByteSpan> data = {};  // and none that touches these
  bool Takes(size_t begin, size_t end) const { return parse && !Touches(data, begin, end); }
};

struct SpecialToken {
  std::string text;
  int32_t id = 0;
  bool control = false;                          // only taken when the caller parses special tokens; others always
  bool strip_left = false, strip_right = false;  // takes the white space beside it along
  bool single_word = false;                      // only where no letter or digit touches it
};

class SpecialTokens {
 public:
  enum class Order {
    kLongestFirst,  // llama.cpp: the longest token takes all its places in the text, then the next (no strip_left,
                    // no single_word)
    kLeftmost,      // tokenizers: from left to right, the longest at each place
  };
  explicit SpecialTokens(Order order = Order::kLongestFirst) : order_(order) {}

  void Add(SpecialToken token);  // empty texts are left out; of two with one text the first stays
  void Finish();                 // after the last Add, before Split
  std::optional<int32_t> Find(std::string_view text) const;
  bool empty() const { return tokens_.empty(); }

  // Calls on_text for what lies between (never empty), on_token for what was found, in order.
  void Split(std::string_view text, const ControlRule& control, const std::function<void(std::string_view)>& on_text,
             const std::function<void(int32_t)>& on_token) const;

 private:
  struct Found {
    size_t begin, end;
    uint32_t token;
  };
  // Calls fn(token, end) for each token that stands at `at`, the shortest first.
  template <typename Fn>
  void ForEachAt(std::string_view text, size_t at, Fn fn) const;
  std::vector<Found> FindLongestFirst(std::string_view text, const ControlRule& control) const;
  std::vector<Found> FindLeftmost(std::string_view text, const ControlRule& control) const;

  Order order_;
  std::vector<SpecialToken> tokens_;  // longest first once finished
  Trie trie_;                         // of their texts, to their places in tokens_
  std::array<bool, 256> begins_{};    // bytes that a token begins with
};

}  // namespace hew
