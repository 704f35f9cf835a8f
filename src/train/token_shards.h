// Text as token ids on disk, read without copying, for pretraining: written once, in parallel, and then dealt out in
// windows of a fixed length. The file's layout stands in docs/formats.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "text/tokenizer.h"

namespace hew {

// SHA-256 over every token's length, bytes and kind, in the order of ids: what two tokenizers must share so that ids
// mean the same. 64 hexadecimal digits.
std::string VocabularyDigest(const Tokenizer& tokenizer);

struct ShardWriting {
  int64_t max_tokens = int64_t{1} << 27;         // of one file; a document is never cut
  std::function<void(uint64_t bytes)> progress;  // of text done; may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct ShardSummary {
  std::vector<std::string> paths;  // in order
  int64_t tokens = 0, documents = 0;
};

// Writes FOLDER/tokens-00000.shard and so on. Each document is encoded on its own, as training will see it: bos before
// it if the tokenizer adds one, eos behind it if it has one; control tokens in the text stay text. The same files for
// any number of threads; memory holds one file
// at a time. Each file is whole or absent; a
// cancelled run removes those it wrote. Errors: cancelled, disk full, documents that give no token.
Result<ShardSummary> WriteTokenShards(const ThreadPool& pool, const Tokenizer& tokenizer,
                                      std::span<const std::string_view> documents, const std::string& folder,
                                      const ShardWriting& writing = {});

// One file, mapped. Checked on opening: its size to the byte, and that documents follow one another; ids are checked as
// they are read.
class TokenShard {
 public:
  // Errors: "x.shard: magic: expected HEWSHARD, found ..." and the like.
  static Result<TokenShard> Open(const std::string& path);

  int64_t tokens() const { return tokens_; }
  int64_t documents() const { return documents_; }
  int64_t vocab_size() const { return vocab_size_; }
  const std::string& vocabulary_digest() const { return digest_; }
  const std::string& path() const { return file_.path(); }

  // Appends count ids from `begin` on; false if one is not below vocab_size.
  bool Read(int64_t begin, int64_t count, std::vector<int32_t>* ids) const;
  int64_t DocumentEnd(int64_t document) const;  // one past its last token
  int64_t DocumentAt(int64_t token) const;      // that holds the token

 private:
  MappedFile file_;
  int64_t tokens_ = 0, documents_ = 0, vocab_size_ = 0, id_bytes_ = 2;
  const char* ids_ = nullptr;
  const char* ends_ = nullptr;
  std::string digest_;
};

struct TokenWindow {
  std::vector<int32_t> ids;              // [length + 1]: each of the first `length` predicts the one behind it
  std::vector<int32_t> document_begins;  // places in ids where a document begins, increasing
};

struct WindowPlan {
  uint64_t seed = 0;
  int64_t length = 0;  // tokens that predict, in one window
  bool shuffle = true;
};

// Windows over several files: they do not overlap within an epoch and lie elsewhere in the next (each epoch starts at
// another offset). Which window comes when is a pure function of (plan, epoch, index), so that a resumed run needs no
// more than the number of windows it has seen. The order is a permutation computed in place (a Feistel network walked
// until it falls inside): nothing is stored.
class TokenWindows {
 public:
  // Errors: files of different vocabularies, or of another one than `tokenizer`; too few tokens for one window.
  static Result<TokenWindows> Open(const std::vector<std::string>& paths, const Tokenizer& tokenizer,
                                   const WindowPlan& plan);

  int64_t windows() const { return windows_; }  // of one epoch
  int64_t tokens() const;
  int64_t documents() const;
  // 0 <= index < windows(). Error: a file holds an id outside of its vocabulary.
  Result<TokenWindow> Read(int64_t epoch, int64_t index) const;

 private:
  struct Part {
    TokenShard shard;
    int64_t windows = 0;
  };
  std::vector<Part> parts_;
  WindowPlan plan_;
  int64_t windows_ = 0;
};

// A permutation of [0, count) chosen by (seed, epoch): where `index` goes. 0 <= index < count.
int64_t ShuffledIndex(uint64_t seed, int64_t epoch, int64_t count, int64_t index);

}  // namespace hew
