// Tokens that are found in a text before anything else is done with it: control tokens, and words a user added.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hew {

struct SpecialToken {
  std::string text;
  int32_t id = 0;
  bool control = false;  // only matched when the caller parses special tokens; others always
  bool strip_left = false, strip_right = false, single_word = false;
};

class SpecialTokens {
 public:
  enum class Order {
    kLongestFirst,  // llama.cpp: the longest token takes all its places in the text, then the next
    kLeftmost,      // tokenizers: from left to right, the longest at each place
  };
  explicit SpecialTokens(Order order = Order::kLongestFirst) : order_(order) {}

  void Add(SpecialToken token);
  const std::vector<SpecialToken>& tokens() const { return tokens_; }  // longest first

  // Calls on_text for what lies between, on_token for what was found, in order.
  void Split(std::string_view text, bool parse_control, const std::function<void(std::string_view)>& on_text,
             const std::function<void(int32_t)>& on_token) const;

 private:
  struct Piece {
    std::string_view text;
    int32_t id;  // -1: text
  };
  std::vector<Piece> SplitLongestFirst(std::string_view text, bool parse_control) const;
  std::vector<Piece> SplitLeftmost(std::string_view text, bool parse_control) const;

  Order order_;
  std::vector<SpecialToken> tokens_;
  std::vector<std::vector<uint32_t>> by_first_byte_ = std::vector<std::vector<uint32_t>>(256);
};

}  // namespace hew
