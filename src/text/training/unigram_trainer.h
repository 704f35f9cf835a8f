// Learning a unigram vocabulary (Kudo 2018): start from many pieces, fit their probabilities by expectation
// maximisation, leave out those that the text misses least, and so on until the vocabulary has the size wanted.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "text/training/unigram_words.h"

namespace hew {

struct UnigramTraining {
  int64_t pieces = 0;  // to end with, at least as many as the alphabet has characters
  int64_t seed_pieces =
      0;  // to start from, at most; 0: twelve times as many as to end with, within 100,000 and a million
  double shrinking_factor = 0.75;
  int sub_iterations = 2;
  std::function<void(int64_t pieces)> progress;  // may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct UnigramVocabulary {
  std::vector<std::pair<std::string, double>> pieces;  // UTF-8 with log probability, the likeliest first
  int64_t tokens = 0;                                  // that the text takes, cut into its likeliest pieces or bytes
};

// Every character of the alphabet is among the pieces. The same for any number of threads: sums are taken over a fixed
// number of parts, in order.
UnigramVocabulary TrainUnigram(const ThreadPool& pool, const UnigramWords& words, const UnigramTraining& training);

}  // namespace hew
