// Byte-pair encoding of one word (Sennrich et al. 2016, on bytes as GPT-2 does it): the merge learned earliest first,
// the leftmost of equals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hew {

class Bpe {
 public:
  void AddToken(std::string bytes, int32_t id) { ids_.emplace(std::move(bytes), id); }
  // The merge of rank `rank` joins the tokens `left` and `right`. False if either, or what they make, is no token.
  bool AddMerge(std::string_view left, std::string_view right, int32_t rank);
  // After all tokens are added: looks up the 256 single bytes.
  void Finish();
  void Reserve(size_t tokens) { ids_.reserve(tokens); }
  void ReserveMerges(size_t merges) { merges_.reserve(merges); }
  void set_ignore_merges(bool value) { ignore_merges_ = value; }  // a word that is a token needs no merging

  // Appends the ids of `word`. Bytes that the vocabulary lacks give nothing. Time n log n in the word's length.
  void Encode(std::string_view word, std::vector<int32_t>* ids) const;
  const std::unordered_map<std::string, int32_t>& ids() const { return ids_; }

 private:
  struct Merge {
    int32_t rank, id;
  };
  const Merge* FindMerge(int32_t left, int32_t right) const {
    const auto at =
        merges_.find(static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right));
    return at == merges_.end() ? nullptr : &at->second;
  }
  void EncodeShort(std::string_view word, std::vector<int32_t>* ids) const;
  void EncodeLong(std::string_view word, std::vector<int32_t>* ids) const;

  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<uint64_t, Merge> merges_;
  bool ignore_merges_ = false;
  std::vector<int32_t> byte_ids_ = std::vector<int32_t>(256, -1);
};

}  // namespace hew
