// Byte-pair encoding of one word (Sennrich et al. 2016): the merge learned earliest first, the leftmost of equals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/string_map.h"
#include "text/word_model.h"

namespace hew {

class Bpe : public WordModel {
 public:
  // What a word is made of before merging.
  enum class Alphabet {
    kBytes,       // as GPT-2 has it: tokens are bytes, spelled in printable characters by the files
    kCharacters,  // UTF-8 characters; one that is no token becomes the tokens of its bytes, or the unknown token
  };
  explicit Bpe(Alphabet alphabet = Alphabet::kBytes) : alphabet_(alphabet) {}

  // `bytes`: what the token stands for; for kCharacters, its spelling.
  void AddToken(std::string bytes, int32_t id) { ids_.emplace(std::move(bytes), id); }
  // The merge of rank `rank` joins the tokens `left` and `right`. False if either, or what they make, is no token.
  bool AddMerge(std::string_view left, std::string_view right, int32_t rank);
  // After all tokens are added: looks up the 256 single bytes.
  void Finish();
  void Reserve(size_t tokens) { ids_.reserve(tokens); }
  void ReserveMerges(size_t merges) { merges_.reserve(merges); }
  void set_ignore_merges(bool value) { ignore_merges_ = value; }    // a word that is a token needs no merging
  void set_whole_newlines(bool value) { whole_newlines_ = value; }  // the same for words of line breaks
  void set_byte_fallback(bool value) { byte_fallback_ = value; }    // kCharacters: through "<0x0A>" and the like
  // For what is neither token nor bytes; `fuse`: once for a run of it. Without one, it gives nothing.
  void set_unknown(std::optional<int32_t> id, bool fuse) { unknown_ = id, fuse_unknown_ = fuse; }

  void Encode(std::string_view word, std::vector<int32_t>* ids) const override;
  std::optional<int32_t> Find(std::string_view spelling) const override;

 private:
  struct Merge {
    int32_t rank, id;
  };
  const Merge* FindMerge(int32_t left, int32_t right) const {
    const auto at =
        merges_.find(static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right));
    return at == merges_.end() ? nullptr : &at->second;
  }
  // The word's symbols, at most one a byte.
  void Symbols(std::string_view word, std::vector<int32_t>* symbols) const;
  void MergeFew(std::vector<int32_t>* symbols) const;
  void MergeMany(const std::vector<int32_t>& word, std::vector<int32_t>* ids) const;

  Alphabet alphabet_;
  TextMap<int32_t> ids_;
  std::unordered_map<uint64_t, Merge> merges_;
  bool ignore_merges_ = false, whole_newlines_ = false, byte_fallback_ = false, fuse_unknown_ = false;
  std::optional<int32_t> unknown_;
  std::vector<int32_t> byte_ids_ = std::vector<int32_t>(256, -1);  // of a byte, or of the token that spells it
};

}  // namespace hew
