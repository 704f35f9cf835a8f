// Reading token shards; token_shards_write.cc writes them.
#include "train/token_shards.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/shown.h"
#include "train/token_shard_layout.h"

namespace hew {
namespace {

template <typename T>
T Load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

constexpr uint64_t kOffsetStream = uint64_t{1} << 63;  // apart from the streams of shuffling

}  // namespace

Result<TokenShard> TokenShard::Open(const std::string& path) {
  HEW_ASSIGN(auto file, MappedFile::Open(path));
  TokenShard shard;
  shard.file_ = std::move(file);
  const std::string_view bytes = shard.file_.bytes();
  if (bytes.size() < kShardHeaderBytes) {
    return BadInput("{}: expected a header of {} bytes, found {} bytes", path, kShardHeaderBytes, bytes.size());
  }
  if (!bytes.starts_with(kShardMagic)) {
    return BadInput("{}: magic: expected {}, found '{}'", path, kShardMagic,
                    Shown(bytes.substr(0, kShardMagic.size())));
  }
  const auto version = Load<uint32_t>(bytes.data() + kShardVersionAt);
  if (version != kShardVersion) return BadInput("{}: version: expected {}, found {}", path, kShardVersion, version);
  const auto id_bytes = Load<uint32_t>(bytes.data() + kShardIdBytesAt);
  if (id_bytes != 2 && id_bytes != 4) return BadInput("{}: id bytes: expected 2 or 4, found {}", path, id_bytes);
  const auto vocab_size = Load<uint64_t>(bytes.data() + kShardVocabularyAt);
  const uint64_t most = id_bytes == 2 ? uint64_t{1} << 16 : uint64_t{1} << 31;
  if (vocab_size == 0 || vocab_size > most) {
    return BadInput("{}: vocab_size: expected 1 to {}, found {}", path, most, vocab_size);
  }
  const auto tokens = Load<uint64_t>(bytes.data() + kShardTokensAt);
  const auto documents = Load<uint64_t>(bytes.data() + kShardDocumentsAt);
  const CheckedU64 ends_at = (CheckedU64(kShardHeaderBytes) + CheckedU64(tokens) * id_bytes).AlignUp(8);
  const CheckedU64 size = ends_at + CheckedU64(documents) * 8;
  if (!size.ok() || size.value() != bytes.size()) {
    return BadInput("{}: size: expected {} bytes for {} tokens in {} documents, found {}", path,
                    size.ok() ? std::to_string(size.value()) : "fewer than 2^64", tokens, documents, bytes.size());
  }
  shard.tokens_ = static_cast<int64_t>(tokens);
  shard.documents_ = static_cast<int64_t>(documents);
  shard.vocab_size_ = static_cast<int64_t>(vocab_size);
  shard.id_bytes_ = id_bytes;
  shard.ids_ = bytes.data() + kShardHeaderBytes;
  shard.ends_ = bytes.data() + ends_at.value();
  shard.digest_ = bytes.substr(kShardDigestAt, kShardDigestBytes);
  int64_t last = 0;
  for (int64_t d = 0; d < shard.documents_; ++d) {
    const int64_t end = shard.DocumentEnd(d);
    if (end <= last || end > shard.tokens_) {
      return BadInput("{}: document {}: expected an end from {} to {}, found {}", path, d, last + 1, shard.tokens_,
                      end);
    }
    last = end;
  }
  if (last != shard.tokens_) {
    return BadInput("{}: documents: expected them to end with token {}, found {}", path, shard.tokens_, last);
  }
  return shard;
}

bool TokenShard::Read(int64_t begin, int64_t count, std::vector<int32_t>* ids) const {
  for (int64_t i = begin; i < begin + count; ++i) {
    const uint32_t id = id_bytes_ == 2 ? Load<uint16_t>(ids_ + 2 * i) : Load<uint32_t>(ids_ + 4 * i);
    if (id >= vocab_size_) return false;
    ids->push_back(static_cast<int32_t>(id));
  }
  return true;
}

int64_t TokenShard::DocumentEnd(int64_t document) const {
  // An end beyond 2^63 comes out negative, and is refused on opening.
  return static_cast<int64_t>(Load<uint64_t>(ends_ + 8 * document));
}

int64_t TokenShard::DocumentAt(int64_t token) const {
  int64_t low = 0, high = documents_;  // the first document that ends behind the token
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (DocumentEnd(middle) > token) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

int64_t ShuffledIndex(uint64_t seed, int64_t epoch, int64_t count, int64_t index) {
  // Two halves of `bits` bits each; at most four times as many places as indices, so few walks.
  const int bits = std::max(1, (static_cast<int>(std::bit_width(static_cast<uint64_t>(count - 1))) + 1) / 2);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  auto at = static_cast<uint64_t>(index);
  do {
    uint64_t left = at >> bits, right = at & mask;
    for (uint64_t round = 0; round < 6; ++round) {
      const uint64_t mixed = Philox(seed, static_cast<uint64_t>(epoch), round << 56 | right)[0];
      left ^= (mixed ^ (mixed >> 16)) & mask;
      std::swap(left, right);
    }
    at = left << bits | right;
  } while (at >= static_cast<uint64_t>(count));
  return static_cast<int64_t>(at);
}

Result<TokenWindows> TokenWindows::Open(const std::vector<std::string>& paths, const Tokenizer& tokenizer,
                                        const WindowPlan& plan) {
  if (plan.length < 1) return BadInput("length: expected 1 or more, found {}", plan.length);
  TokenWindows out;
  out.plan_ = plan;
  const std::string digest = VocabularyDigest(tokenizer);
  for (const auto& path : paths) {
    HEW_ASSIGN(TokenShard shard, TokenShard::Open(path));
    if (shard.vocabulary_digest() != digest) {
      return BadInput("{}: vocabulary: expected that of the tokenizer ({:.16}...), found {:.16}...", path, digest,
                      Shown(shard.vocabulary_digest()));
    }
    // Where windows begin at an offset, there must be room for any below the length.
    const int64_t tokens = shard.tokens(), length = plan.length;
    const int64_t windows = plan.shuffle && tokens >= 2 * length ? tokens / length - 1 : (tokens - 1) / length;
    out.windows_ += std::max<int64_t>(windows, 0);
    out.parts_.push_back({std::move(shard), std::max<int64_t>(windows, 0)});
  }
  if (out.windows_ == 0) {
    return BadInput("{}: tokens: expected more than {}, the length of one window, found {}",
                    paths.empty() ? "shards" : paths[0], plan.length, out.tokens());
  }
  return out;
}

int64_t TokenWindows::tokens() const {
  int64_t sum = 0;
  for (const Part& part : parts_) sum += part.shard.tokens();
  return sum;
}

int64_t TokenWindows::documents() const {
  int64_t sum = 0;
  for (const Part& part : parts_) sum += part.shard.documents();
  return sum;
}

Result<TokenWindow> TokenWindows::Read(int64_t epoch, int64_t index) const {
  int64_t at = plan_.shuffle ? ShuffledIndex(plan_.seed, epoch, windows_, index) : index;
  size_t p = 0;
  while (at >= parts_[p].windows) at -= parts_[p++].windows;
  const TokenShard& shard = parts_[p].shard;
  Random random{plan_.seed, kOffsetStream, static_cast<uint64_t>(epoch)};
  const bool room = plan_.shuffle && shard.tokens() >= 2 * plan_.length;
  const int64_t offset = room ? static_cast<int64_t>(random.Below(static_cast<uint64_t>(plan_.length))) : 0;
  const int64_t begin = offset + at * plan_.length, end = begin + plan_.length + 1;
  TokenWindow window;
  window.ids.reserve(static_cast<size_t>(plan_.length + 1));
  if (!shard.Read(begin, plan_.length + 1, &window.ids)) {
    return BadInput("{}: tokens {} to {}: expected ids below {}, found one that is not", shard.path(), begin, end - 1,
                    shard.vocab_size());
  }
  int64_t document = shard.DocumentAt(begin);
  int64_t start = document == 0 ? 0 : shard.DocumentEnd(document - 1);
  for (; start < end; start = shard.DocumentEnd(document++)) {
    if (start >= begin) window.document_begins.push_back(static_cast<int32_t>(start - begin));
    if (document == shard.documents()) break;
  }
  return window;
}

}  // namespace hew
