#include "text/training/word_counter.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "text/unicode.h"

namespace hew {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Eight bytes at a time, folded by wide products. Fixed constants: the order of words must not change between runs.
uint64_t HashOf(std::string_view bytes) {
  constexpr uint64_t kA = 0xA0761D6478BD642F, kB = 0xE7037ED1A0B428DB;
  uint64_t hash = bytes.size() * kB;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = Mix(hash ^ word ^ kA, kB);
  }
  uint64_t tail = 0;
  if (left > 0) std::memcpy(&tail, at, left);
  return Mix(hash ^ tail ^ kA, kB ^ left);
}

// A table of words by open addressing.
class WordTable {
 public:
  struct Entry {
    uint64_t hash;
    WordCount word;
  };

  void Add(std::string_view bytes, uint64_t hash, int64_t count) {
    if (entries_.size() * 2 >= slots_.size()) Grow();
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const uint32_t slot = slots_[at];
      if (slot == 0) {
        entries_.push_back({hash, {bytes, count}});
        slots_[at] = static_cast<uint32_t>(entries_.size());
        return;
      }
      Entry& entry = entries_[slot - 1];
      if (entry.hash == hash && entry.word.bytes == bytes) {
        entry.word.count += count;
        return;
      }
    }
  }
  std::vector<Entry>& entries() { return entries_; }

 private:
  void Grow() {
    slots_.assign(std::max<size_t>(1 << 12, slots_.size() * 2), 0);
    mask_ = slots_.size() - 1;
    for (size_t i = 0; i < entries_.size(); ++i) {
      size_t at = entries_[i].hash & mask_;
      while (slots_[at] != 0) at = (at + 1) & mask_;
      slots_[at] = static_cast<uint32_t>(i + 1);
    }
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // index into entries_ and 1; 0: free
  size_t mask_ = 0;
};

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// The longest start of `word` of at most kMaxWordBytes that ends with a whole character.
size_t CutLength(std::string_view word) {
  if (word.size() <= kMaxWordBytes) return word.size();
  size_t length = kMaxWordBytes;
  while (length > kMaxWordBytes - 4 && IsContinuation(word[length])) --length;
  return length;
}

void CountPiece(std::string_view piece, const WordSplitter& split, WordTable& table) {
  split(piece, [&](std::string_view word) {
    while (!word.empty()) {
      const std::string_view part = word.substr(0, CutLength(word));
      table.Add(part, HashOf(part), 1);
      word.remove_prefix(part.size());
    }
  });
}

// Words whose hash falls in this shard, summed over all tables and sorted by hash: shards are ranges of hashes, so that
// one shard after the other is in order whatever their number.
std::vector<WordCount> MergeShard(std::vector<WordTable>& tables, uint64_t shard, uint64_t shards) {
  WordTable all;
  for (WordTable& table : tables) {
    for (const auto& entry : table.entries()) {
      if ((entry.hash >> 32) * shards >> 32 == shard) all.Add(entry.word.bytes, entry.hash, entry.word.count);
    }
  }
  auto& entries = all.entries();
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.word.bytes < b.word.bytes;
  });
  std::vector<WordCount> words;
  words.reserve(entries.size());
  for (const auto& entry : entries) words.push_back(entry.word);
  return words;
}

bool IsLetterOrDigit(int32_t code) { return code != '_' && IsWordCode(code); }

}  // namespace

size_t EndOfPiece(std::string_view text, size_t begin, size_t piece_bytes) {
  if (text.size() - begin <= piece_bytes) return text.size();
  const size_t end = begin + piece_bytes;
  for (size_t at = end; at > begin + 1; --at) {
    if ((text[at] == '\n' || text[at] == ' ') && IsLetterOrDigit(CharacterBefore(text, at).code)) return at;
  }
  size_t at = end;
  while (at > begin + 1 && at > end - 4 && IsContinuation(text[at])) --at;
  return at;
}

std::vector<WordCount> CountWords(const ThreadPool& pool, std::span<const std::string_view> texts,
                                  const WordSplitter& split, const CountProgress& progress) {
  std::vector<std::string_view> pieces;
  for (std::string_view text : texts) {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = EndOfPiece(text, begin, kPieceBytes);
      pieces.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  }
  const auto threads = static_cast<size_t>(pool.threads());
  std::vector<WordTable> tables(threads);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  uint64_t done = 0;
  pool.Run(static_cast<int64_t>(threads), [&](int64_t task) {
    for (size_t i; (i = next.fetch_add(1)) < pieces.size();) {
      if (progress.cancel && progress.cancel->load()) return;
      CountPiece(pieces[i], split, tables[static_cast<size_t>(task)]);
      const std::lock_guard lock(mutex);
      done += pieces[i].size();
      if (progress.done) progress.done(done);
    }
  });
  std::vector<std::vector<WordCount>> shards(threads);
  pool.Run(static_cast<int64_t>(threads), [&](int64_t shard) {
    shards[static_cast<size_t>(shard)] = MergeShard(tables, static_cast<uint64_t>(shard), threads);
  });
  std::vector<WordCount> words = std::move(shards[0]);
  for (size_t i = 1; i < threads; ++i) words.insert(words.end(), shards[i].begin(), shards[i].end());
  return words;
}

}  // namespace hew
