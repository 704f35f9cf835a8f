#include "text/training/bpe_trainer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace hew {
namespace {

// The definition, word by word: count all pairs, merge the most frequent (the greater bytes of equals), begin again.
std::vector<std::pair<std::string, std::string>> Naive(const std::map<std::string, int64_t>& words, size_t merges) {
  std::vector<std::pair<std::vector<std::string>, int64_t>> cut;
  for (const auto& [word, count] : words) {
    std::vector<std::string> bytes;
    for (char c : word) bytes.emplace_back(1, c);
    cut.emplace_back(bytes, count);
  }
  std::vector<std::pair<std::string, std::string>> out;
  while (out.size() < merges) {
    std::map<std::pair<std::string, std::string>, int64_t> pairs;
    for (const auto& [tokens, count] : cut) {
      for (size_t i = 0; i + 1 < tokens.size(); ++i) pairs[{tokens[i], tokens[i + 1]}] += count;
    }
    std::pair<std::string, std::string> best;
    int64_t most = 0;
    for (const auto& [pair, count] : pairs) {
      if (count >= most) std::tie(best, most) = std::pair(pair, count);  // the map is sorted: the last of equals
    }
    if (most < 2) break;
    out.push_back(best);
    for (auto& [tokens, count] : cut) {
      std::vector<std::string> merged;
      for (size_t i = 0; i < tokens.size(); ++i) {
        const bool here = i + 1 < tokens.size() && tokens[i] == best.first && tokens[i + 1] == best.second;
        merged.push_back(tokens[i]);
        if (here) merged.back() += tokens[++i];
      }
      tokens = merged;
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> Trained(const std::map<std::string, int64_t>& words, size_t merges,
                                                         int threads) {
  std::vector<WordCount> list;
  for (const auto& [word, count] : words) list.push_back({word, count});
  const ThreadPool pool(threads);
  BpeTraining training;
  training.max_tokens = 1 << 20;
  size_t done = 0;
  std::atomic<bool> enough{false};
  training.progress = [&](int64_t) { enough = ++done >= merges; };
  training.cancel = &enough;
  const BpeMerges result = TrainBpe(pool, list, training);
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [left, right] : result.merges) out.emplace_back(result.tokens[left], result.tokens[right]);
  return out;
}

RC_GTEST_PROP(BpeTrainer, MergesAsTheDefinitionSays, ()) {
  std::map<std::string, int64_t> words;
  const int count = *rc::gen::inRange(1, 30);
  for (int i = 0; i < count; ++i) {
    std::string word;
    const int length = *rc::gen::inRange(1, 14);
    for (int k = 0; k < length; ++k)
      word += *rc::gen::elementOf(std::string("aab\xED"));  // few letters: many ties and runs
    words[word] += *rc::gen::inRange(1, 5);
  }
  const auto expected = Naive(words, 40);
  RC_ASSERT(Trained(words, 40, 1) == expected);
}

TEST(BpeTrainer, ManyThreadsLearnTheSame) {
  // Enough words that the parts of a merge go to several threads.
  std::map<std::string, int64_t> words;
  uint32_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    std::string word;
    for (int k = 0; k < 3 + i % 8; ++k)
      word += static_cast<char>('a' + ((state = state * 1664525 + 1013904223) >> 24) % 6);
    ++words[word];
  }
  const auto one = Trained(words, 300, 1);
  EXPECT_EQ(one.size(), 300u);
  EXPECT_EQ(Trained(words, 300, 4), one);
  const auto first = Naive(words, 25);
  EXPECT_EQ(std::vector(one.begin(), one.begin() + 25), first);
}

TEST(BpeTrainer, CountsTheTokensOfTheText) {
  const ThreadPool pool(1);
  const std::vector<WordCount> words = {{"abab", 3}, {"ab", 2}, {"c", 5}};
  BpeTraining training;
  training.max_tokens = 257;  // one merge: ab
  const BpeMerges merges = TrainBpe(pool, words, training);
  ASSERT_EQ(merges.merges.size(), 1u);
  EXPECT_EQ(merges.tokens.back(), "ab");
  EXPECT_EQ(merges.text_tokens, 3 * 2 + 2 + 5);
}

}  // namespace
}  // namespace hew
