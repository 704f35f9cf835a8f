#include "text/training/unigram_seeds.h"

#include <algorithm>
#include <cmath>

#include "text/training/pair_table.h"

namespace hew {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kShards = 8;  // of the table of substrings; a fixed number, so that nothing depends on the threads

struct Substring {
  int64_t count = 0;
  uint32_t at = 0;     // where one occurrence begins
  bool stands = true;  // false: one longer substring always stands in for it
};

// The substrings of one length. Frequent ones of length n + 1 are made of two frequent ones of length n (as in
// Apriori), so each length looks only where the one before left something.
struct Level {
  std::vector<uint32_t> at;  // [characters] number of the substring that begins there, or kNone
  std::vector<Substring> substrings;
};

Level FirstLevel(const UnigramWords& words) {
  Level level;
  level.at = words.characters;
  level.substrings.resize(words.alphabet.size());
  for (const UnigramWord& word : words.words) {
    for (uint32_t i = 0; i < word.length; ++i) {
      Substring& s = level.substrings[words.characters[word.begin + i]];
      s.count += word.count;
      s.at = word.begin + i;
    }
  }
  return level;
}

// One shard of the next level: a substring is the pair of its two halves that overlap in all but the ends.
struct Shard {
  PairTable table;
  std::vector<Substring> substrings;
};

void CountShard(const UnigramWords& words, const Level& last, uint32_t length, uint32_t number, Shard& shard,
                std::vector<uint32_t>& at) {
  for (const UnigramWord& word : words.words) {
    for (uint32_t i = 0; i + length <= word.length; ++i) {
      const uint32_t begin = word.begin + i, left = last.at[begin], right = last.at[begin + 1];
      if (left == kNone || right == kNone || (left * 31 + right) % kShards != number) continue;
      const auto fresh = static_cast<uint32_t>(shard.substrings.size());
      const uint32_t index = shard.table.FindOrAdd(left, right, fresh);
      if (index == fresh) shard.substrings.push_back({0, begin, true});
      shard.substrings[index].count += word.count;
      at[begin] = index;
    }
  }
}

// `last` loses the standing of those that one longer substring accounts for.
Level NextLevel(const ThreadPool& pool, const UnigramWords& words, Level& last, uint32_t length) {
  std::vector<Shard> shards(kShards);
  std::vector<uint32_t> at(words.characters.size(), kNone);  // numbers inside the shard
  pool.Run(kShards, [&](int64_t s) {
    CountShard(words, last, length, static_cast<uint32_t>(s), shards[static_cast<size_t>(s)], at);
  });
  Level level;
  std::vector<std::vector<uint32_t>> numbers(kShards);  // in the shard -> in the level
  for (uint32_t s = 0; s < kShards; ++s) {
    for (const Substring& substring : shards[s].substrings) {
      if (substring.count < 2) {
        numbers[s].push_back(kNone);
        continue;
      }
      numbers[s].push_back(static_cast<uint32_t>(level.substrings.size()));
      level.substrings.push_back(substring);
      for (uint32_t half : {last.at[substring.at], last.at[substring.at + 1]}) {
        if (last.substrings[half].count == substring.count) last.substrings[half].stands = false;
      }
    }
  }
  pool.ParallelFor(static_cast<int64_t>(words.words.size()), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      const UnigramWord& word = words.words[static_cast<size_t>(w)];
      for (uint32_t i = word.begin; i < word.begin + word.length; ++i) {
        if (at[i] != kNone) at[i] = numbers[(last.at[i] * 31 + last.at[i + 1]) % kShards][at[i]];
      }
    }
  });
  level.at = std::move(at);
  return level;
}

struct Seed {
  std::u32string characters;
  int64_t count = 0;
  int64_t covers() const { return count * static_cast<int64_t>(characters.size()); }
};

void Collect(const UnigramWords& words, const Level& level, uint32_t length, std::vector<Seed>* seeds) {
  for (const Substring& s : level.substrings) {
    if (!s.stands) continue;
    const auto* begin = words.characters.data() + s.at;
    seeds->push_back({std::u32string(begin, begin + length), s.count});
  }
}

}  // namespace

std::vector<UnigramPiece> SeedPieces(const ThreadPool& pool, const UnigramWords& words, size_t most) {
  Level level = FirstLevel(words);
  std::vector<UnigramPiece> pieces;
  double sum = 0;
  for (uint32_t c = 0; c < words.alphabet.size(); ++c) {
    pieces.push_back({std::u32string(1, c), static_cast<double>(std::max<int64_t>(level.substrings[c].count, 1))});
    sum += pieces.back().score;
  }
  std::vector<Seed> seeds;
  for (uint32_t length = 2; length <= kMaxPieceCharacters && !level.substrings.empty(); ++length) {
    Level next = NextLevel(pool, words, level, length);
    if (length > 2) Collect(words, level, length - 1, &seeds);
    level = std::move(next);
  }
  Collect(words, level, kMaxPieceCharacters, &seeds);
  const auto better = [](const Seed& a, const Seed& b) {
    return a.covers() != b.covers() ? a.covers() > b.covers() : a.characters < b.characters;
  };
  if (seeds.size() > most) {
    std::nth_element(seeds.begin(), seeds.begin() + static_cast<ptrdiff_t>(most), seeds.end(), better);
    seeds.resize(most);
  }
  std::sort(seeds.begin(), seeds.end(), better);
  for (Seed& seed : seeds) {
    pieces.push_back({std::move(seed.characters), static_cast<double>(seed.count)});
    sum += pieces.back().score;
  }
  for (UnigramPiece& piece : pieces) piece.score = std::log(piece.score / sum);
  return pieces;
}

}  // namespace hew
