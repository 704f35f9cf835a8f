// Learning byte-pair merges (Gage 1994; Sennrich et al. 2016, on bytes): the pair that stands side by side most often
// becomes one token, again and again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "text/training/word_counter.h"

namespace hew {

struct BpeTraining {
  int64_t max_tokens = 0;                        // single bytes (256) and merged tokens together
  int64_t min_frequency = 2;                     // a pair seen less often is not merged
  std::function<void(int64_t merges)> progress;  // may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct BpeMerges {
  // Tokens by number: 0 to 255 the single bytes, then one for each merge that makes new bytes.
  std::vector<std::string> tokens;
  std::vector<std::pair<uint32_t, uint32_t>> merges;  // token numbers, in the order learned
  int64_t text_tokens = 0;                            // that the text takes with them
};

// Of pairs that are equally frequent the one with the greater bytes is merged, comparing the left tokens and then the
// right ones. Occurrences inside a word overlap in the count ("aaa" has the pair aa twice) and are merged from the
// left. The result does not depend on the number of threads. Words must be different from one another.
BpeMerges TrainBpe(const ThreadPool& pool, std::span<const WordCount> words, const BpeTraining& training);

}  // namespace hew
