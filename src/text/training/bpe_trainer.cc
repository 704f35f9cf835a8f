#include "text/training/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>

#include "text/training/pair_table.h"

namespace hew {
namespace {

constexpr size_t kBytes = 256;
constexpr size_t kWordsPerThread = 512;  // below it, a second thread costs more than it helps
constexpr size_t kAhead = 8;             // words asked from memory ahead of their turn

// A word as tokens; it shrinks in place.
struct WordTokens {
  uint64_t begin = 0;
  uint32_t length = 0;
  int64_t count = 0;
};

// What merging one pair (a, b) to c did to the words of one thread, by neighbour: each x before the pair turned one
// (x, a) into (x, c), each y behind it one (b, y) into (c, y); two merges side by side turned (b, a) into (c, c).
struct Changes {
  struct Side {
    std::vector<int64_t> count;                // [tokens] 0: not touched
    std::vector<std::vector<uint32_t>> words;  // [tokens] that now hold the new pair
    std::vector<uint32_t> touched;

    void Add(uint32_t neighbour, uint32_t word, int64_t by) {
      if (count[neighbour] == 0) touched.push_back(neighbour);
      count[neighbour] += by;
      auto& list = words[neighbour];
      if (list.empty() || list.back() != word) list.push_back(word);
    }
  };
  Side left, right;
  int64_t twins = 0;
  std::vector<uint32_t> twin_words;
};

class Trainer {
 public:
  Trainer(const ThreadPool& pool, const BpeTraining& training)
      : pool_(pool), training_(training), changes_(static_cast<size_t>(pool.threads())) {
    for (size_t byte = 0; byte < kBytes; ++byte) AddToken(std::string(1, static_cast<char>(byte)));
  }

  BpeMerges Run(std::span<const WordCount> words) {
    Fill(words);
    CountBytePairs();
    while (static_cast<int64_t>(result_.tokens.size()) < training_.max_tokens && !heap_.empty()) {
      if (training_.cancel && training_.cancel->load()) break;
      const Candidate top = heap_.top();
      heap_.pop();
      const int64_t count = pairs_[top.pair].count;
      if (count < training_.min_frequency) continue;
      if (count != top.count) {
        heap_.push({count, top.left, top.right, top.pair});
        continue;
      }
      Merge(top);
      if (training_.progress) training_.progress(static_cast<int64_t>(result_.merges.size()));
    }
    for (const WordTokens& word : words_) result_.text_tokens += word.count * word.length;
    return std::move(result_);
  }

 private:
  // A pair may stand in the heap with a count it no longer has; it is looked at again when it comes up.
  struct Candidate {
    int64_t count;
    uint32_t left, right;
    uint32_t pair;
  };
  struct Less {
    const std::vector<std::string>* tokens;
    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      if (a.left != b.left) return (*tokens)[a.left] < (*tokens)[b.left];
      return (*tokens)[a.right] < (*tokens)[b.right];
    }
  };

  uint32_t AddToken(std::string bytes) {
    // The same bytes may come of two merges; they are one token.
    const auto [at, added] = by_bytes_.try_emplace(bytes, static_cast<uint32_t>(result_.tokens.size()));
    if (!added) return at->second;
    result_.tokens.push_back(std::move(bytes));
    for (Changes& changes : changes_) {
      for (Changes::Side* side : {&changes.left, &changes.right}) {
        side->count.push_back(0);
        side->words.emplace_back();
      }
    }
    return at->second;
  }

  void Fill(std::span<const WordCount> words) {
    uint64_t total = 0;
    for (const WordCount& word : words) {
      if (word.bytes.size() < 2) {
        result_.text_tokens += word.count * static_cast<int64_t>(word.bytes.size());
        continue;
      }
      words_.push_back({total, static_cast<uint32_t>(word.bytes.size()), word.count});
      total += word.bytes.size();
    }
    tokens_.resize(total);
    auto at = tokens_.begin();
    for (const WordCount& word : words) {
      if (word.bytes.size() < 2) continue;
      for (unsigned char byte : word.bytes) *at++ = byte;
    }
  }

  void CountBytePairs() {
    struct Part {
      std::vector<int64_t> counts = std::vector<int64_t>(kBytes * kBytes);
      std::vector<std::vector<uint32_t>> words = std::vector<std::vector<uint32_t>>(kBytes * kBytes);
    };
    const auto threads = static_cast<size_t>(pool_.threads());
    std::vector<Part> parts(threads);
    pool_.Run(pool_.threads(), [&](int64_t task) {
      Part& part = parts[static_cast<size_t>(task)];
      const size_t begin = words_.size() * static_cast<size_t>(task) / threads;
      const size_t end = words_.size() * (static_cast<size_t>(task) + 1) / threads;
      for (size_t i = begin; i < end; ++i) {
        const WordTokens& word = words_[i];
        for (size_t t = word.begin; t + 1 < word.begin + word.length; ++t) {
          const size_t pair = tokens_[t] * kBytes + tokens_[t + 1];
          part.counts[pair] += word.count;
          auto& list = part.words[pair];
          if (list.empty() || list.back() != i) list.push_back(static_cast<uint32_t>(i));
        }
      }
    });
    for (size_t pair = 0; pair < kBytes * kBytes; ++pair) {
      int64_t count = 0;
      std::vector<uint32_t> words;
      for (Part& part : parts) {
        count += part.counts[pair];
        Append(&words, &part.words[pair]);
      }
      AddPair(static_cast<uint32_t>(pair / kBytes), static_cast<uint32_t>(pair % kBytes), count, &words);
    }
  }

  static void Append(std::vector<uint32_t>* to, std::vector<uint32_t>* from) {
    if (to->empty()) {
      to->swap(*from);
    } else {
      to->insert(to->end(), from->begin(), from->end());
    }
    std::vector<uint32_t>().swap(*from);
  }

  // A pair that is too rare is not kept: counts only fall. (But for a token that a second merge makes again; what was
  // forgotten of its pairs stays forgotten.)
  void AddPair(uint32_t left, uint32_t right, int64_t count, std::vector<uint32_t>* words) {
    if (count < training_.min_frequency || count == 0) return;
    const uint32_t index = index_.FindOrAdd(left, right, static_cast<uint32_t>(pairs_.size()));
    if (index == pairs_.size()) pairs_.emplace_back();
    pairs_[index].count += count;
    Append(&pairs_[index].words, words);
    heap_.push({pairs_[index].count, left, right, index});
  }

  void TakeFrom(uint32_t left, uint32_t right, int64_t count) {
    const uint32_t index = index_.Find(left, right);
    if (index == PairTable::kNone) return;
    Pair& pair = pairs_[index];
    pair.count -= count;
    if (pair.count < training_.min_frequency) std::vector<uint32_t>().swap(pair.words);
  }

  void Merge(const Candidate& chosen) {
    const uint32_t merged = AddToken(result_.tokens[chosen.left] + result_.tokens[chosen.right]);
    result_.merges.emplace_back(chosen.left, chosen.right);
    std::vector<uint32_t> words;
    words.swap(pairs_[chosen.pair].words);
    pairs_[chosen.pair].count = 0;
    const size_t parts = std::clamp<size_t>(words.size() / kWordsPerThread, 1, changes_.size());
    pool_.Run(static_cast<int64_t>(parts), [&](int64_t part) {
      const size_t begin = words.size() * static_cast<size_t>(part) / parts;
      const size_t end = words.size() * (static_cast<size_t>(part) + 1) / parts;
      MergeWords(std::span(words).subspan(begin, end - begin), chosen, merged, changes_[static_cast<size_t>(part)]);
    });
    Apply(&Changes::left, parts, [&](uint32_t x, int64_t count, std::vector<uint32_t>* in) {
      TakeFrom(x, chosen.left, count);
      AddPair(x, merged, count, in);
    });
    Apply(&Changes::right, parts, [&](uint32_t y, int64_t count, std::vector<uint32_t>* in) {
      TakeFrom(chosen.right, y, count);
      AddPair(merged, y, count, in);
    });
    int64_t twins = 0;
    std::vector<uint32_t> twin_words;
    for (size_t part = 0; part < parts; ++part) {
      twins += std::exchange(changes_[part].twins, 0);
      Append(&twin_words, &changes_[part].twin_words);
    }
    TakeFrom(chosen.right, chosen.left, twins);
    AddPair(merged, merged, twins, &twin_words);
  }

  // Calls fn(neighbour, count, words) with the sums over all parts, and empties them.
  template <typename Fn>
  void Apply(Changes::Side Changes::*side, size_t parts, Fn fn) {
    for (size_t part = 0; part < parts; ++part) {
      for (uint32_t neighbour : (changes_[part].*side).touched) {
        int64_t count = 0;
        std::vector<uint32_t> words;
        for (size_t other = part; other < parts; ++other) {
          count += std::exchange((changes_[other].*side).count[neighbour], 0);
          Append(&words, &(changes_[other].*side).words[neighbour]);
        }
        if (count > 0) fn(neighbour, count, &words);
      }
      (changes_[part].*side).touched.clear();
    }
  }

  void MergeWords(std::span<const uint32_t> words, const Candidate& chosen, uint32_t merged, Changes& changes) {
    for (size_t i = 0; i < words.size(); ++i) {
      if (i + 2 * kAhead < words.size()) __builtin_prefetch(&words_[words[i + 2 * kAhead]]);
      if (i + kAhead < words.size()) __builtin_prefetch(&tokens_[words_[words[i + kAhead]].begin]);
      MergeWord(words[i], chosen.left, chosen.right, merged, changes);
    }
  }

  void MergeWord(uint32_t index, uint32_t a, uint32_t b, uint32_t merged, Changes& changes) {
    WordTokens& word = words_[index];
    uint32_t* tokens = &tokens_[word.begin];
    const size_t length = word.length;
    size_t in = 0;
    while (in + 1 < length && (tokens[in] != a || tokens[in + 1] != b)) ++in;
    if (in + 1 >= length) return;  // another merge took the pair apart
    size_t out = in;
    bool last_merged = false;  // whether tokens[out - 1] was made just now
    while (in < length) {
      if (in + 1 >= length || tokens[in] != a || tokens[in + 1] != b) {
        tokens[out++] = tokens[in++];
        last_merged = false;
        continue;
      }
      if (last_merged) {
        changes.twins += word.count;
        if (changes.twin_words.empty() || changes.twin_words.back() != index) changes.twin_words.push_back(index);
      } else if (out > 0) {
        changes.left.Add(tokens[out - 1], index, word.count);
      }
      const bool pair_follows = in + 3 < length && tokens[in + 2] == a && tokens[in + 3] == b;
      if (in + 2 < length && !pair_follows) changes.right.Add(tokens[in + 2], index, word.count);
      tokens[out++] = merged;
      in += 2;
      last_merged = true;
    }
    word.length = static_cast<uint32_t>(out);
  }

  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> words;  // that held it when it was made; some no longer do
  };

  const ThreadPool& pool_;
  const BpeTraining& training_;
  BpeMerges result_;
  std::unordered_map<std::string, uint32_t> by_bytes_;
  std::vector<WordTokens> words_;
  std::vector<uint32_t> tokens_;
  PairTable index_;
  std::vector<Pair> pairs_;
  std::priority_queue<Candidate, std::vector<Candidate>, Less> heap_{Less{&result_.tokens}};
  std::vector<Changes> changes_;  // [threads]
};

}  // namespace

BpeMerges TrainBpe(const ThreadPool& pool, std::span<const WordCount> words, const BpeTraining& training) {
  return Trainer(pool, training).Run(words);
}

}  // namespace hew
