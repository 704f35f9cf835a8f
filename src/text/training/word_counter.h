// How often each word stands in a text: what tokenizers are trained on. A word is counted once however often it occurs,
// so that training costs by the number of different words.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"

namespace hew {

struct WordCount {
  std::string_view bytes;  // into the text
  int64_t count = 0;
};

// Cuts a piece of text into words and hands each to `take`, in order. Called from several threads at once.
using WordSplitter = std::function<void(std::string_view text, const std::function<void(std::string_view)>& take)>;

struct CountProgress {
  std::function<void(uint64_t bytes)> done;   // from any thread, one at a time; may be null
  const std::atomic<bool>* cancel = nullptr;  // set: counting ends early with what it has
};

inline constexpr size_t kMaxWordBytes =
    1024;  // longer ones are cut, at a character: a word's cost grows with its length

// The different words of `texts` with their counts, in an order that depends on the words alone. Texts are cut into
// pieces of about a megabyte behind a letter or digit and before white space, where no pattern joins what lies on both
// sides; the cuts depend on the texts alone, so the counts are the same for any number of threads.
std::vector<WordCount> CountWords(const ThreadPool& pool, std::span<const std::string_view> texts,
                                  const WordSplitter& split, const CountProgress& progress = {});

// Where the piece that begins at `begin` ends; text.size() for the last one.
size_t EndOfPiece(std::string_view text, size_t begin, size_t piece_bytes);

}  // namespace hew
