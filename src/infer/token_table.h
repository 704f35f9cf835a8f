// The bytes of every token of a vocabulary, sorted as a tree, and what each does inside a JSON string. Made once per
// tokenizer; grammars share it.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "infer/json_string.h"
#include "text/tokenizer.h"

namespace hew {

// A set of token ids.
class TokenSet {
 public:
  explicit TokenSet(int64_t size) : words_(static_cast<size_t>((size + 63) / 64)) {}
  void Add(int32_t id) { words_[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); }
  void Remove(int32_t id) { words_[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64)); }
  bool Has(int32_t id) const { return words_[static_cast<size_t>(id) / 64] >> (id % 64) & 1; }
  void AddAll(const TokenSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

// What every token does when the string machine is in one state.
struct StringTokens {
  struct Inside {
    int32_t id;
    uint16_t characters;  // begun in the string
  };
  struct Exit {
    int32_t id;
    uint16_t characters;  // begun before the closing quote
    uint16_t quote;       // its place in the token
    int32_t suffix;       // what comes behind it
  };
  TokenSet inside;                    // tokens that stay in the string
  std::vector<Inside> longest_first;  // the same
  std::vector<Exit> exits;            // tokens that close the string
  std::vector<std::string> suffixes;
};

class TokenTable {
 public:
  explicit TokenTable(const Tokenizer& tokenizer);

  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }
  const std::string& bytes(int32_t id) const { return bytes_[static_cast<size_t>(id)]; }  // "": may never be said
  const std::vector<int32_t>& end_ids() const { return end_ids_; }
  bool has_byte(uint8_t byte) const { return has_byte_[byte]; }  // as a token of its own
  // Whether a token may end in this state of a string: not within a character whose other bytes are no tokens.
  bool MayPause(uint8_t state) const { return has_continuations_ || !JsonStringMachine::WithinCharacter(state); }
  size_t longest() const { return longest_; }  // bytes

  // The tokens that have bytes, in the order of their bytes; those that begin with `byte` are [first(byte), first(byte
  // + 1)).
  const std::vector<int32_t>& sorted() const { return sorted_; }
  size_t first(int byte) const { return first_[static_cast<size_t>(byte)]; }
  uint16_t common(size_t at) const { return common_[at]; }  // bytes in common with the one before

  const JsonStringMachine& machine() const { return machine_; }
  // Without escapes for the names of fields. Made when first asked for; any thread.
  const StringTokens& InString(uint8_t state, bool escapes) const;

 private:
  StringTokens MakeStringTokens(uint8_t state, bool escapes) const;

  JsonStringMachine machine_;
  std::vector<std::string> bytes_;
  std::vector<int32_t> end_ids_, sorted_;
  std::array<bool, 256> has_byte_ = {};
  std::array<size_t, 257> first_ = {};
  std::vector<uint16_t> common_;
  size_t longest_ = 0;
  bool has_continuations_ = true;  // a character may be left half said
  mutable std::mutex mutex_;
  mutable std::array<std::unique_ptr<StringTokens>, 2 * JsonStringMachine::kStates> in_string_;
};

}  // namespace hew
