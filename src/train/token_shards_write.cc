#include <cstring>
#include <filesystem>
#include <optional>

#include "base/digest.h"
#include "train/token_shard_layout.h"
#include "train/token_shards.h"

namespace hew {
namespace {

constexpr uint64_t kBlockBytes = uint64_t{1} << 18;  // of text, encoded by one thread at a time
constexpr size_t kBlocksPerThread = 4;               // in one wave, after which what they gave is written

template <typename T>
void Append(std::string* bytes, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes->append(raw, sizeof value);
}

// One file: a header with the counts, the ids, then where the documents end. Kept in memory until it is whole: half a
// GB at the usual limit of tokens.
class ShardFile {
 public:
  ShardFile(std::string path, int64_t vocab_size, std::string digest)
      : path_(std::move(path)), vocab_size_(vocab_size), digest_(std::move(digest)) {}

  void Add(std::span<const int32_t> ids) {
    for (int32_t id : ids) {
      if (id_bytes() == 2) {
        Append(&ids_, static_cast<uint16_t>(id));
      } else {
        Append(&ids_, static_cast<uint32_t>(id));
      }
    }
    tokens_ += ids.size();
    Append(&ends_, tokens_);
    ++documents_;
  }
  int64_t tokens() const { return static_cast<int64_t>(tokens_); }

  Status Commit() {
    std::string header(kShardMagic);
    Append(&header, kShardVersion);
    Append(&header, id_bytes());
    Append(&header, tokens_);
    Append(&header, documents_);
    Append(&header, static_cast<uint64_t>(vocab_size_));
    header += digest_;
    header.resize(kShardHeaderBytes, '\0');
    ids_.resize((ids_.size() + 7) / 8 * 8, '\0');
    HEW_ASSIGN(auto file, AtomicFile::Create(path_));
    for (const std::string* part : {&header, &ids_, &ends_}) HEW_RETURN_IF_ERROR(file.Write(*part));
    return file.Commit();
  }

 private:
  uint32_t id_bytes() const { return vocab_size_ <= 65536 ? 2 : 4; }

  std::string path_;
  int64_t vocab_size_;
  std::string digest_, ids_, ends_;
  uint64_t tokens_ = 0, documents_ = 0;
};

struct Block {
  size_t begin = 0, end = 0;  // documents
  uint64_t bytes = 0;
};

std::vector<Block> CutIntoBlocks(std::span<const std::string_view> documents) {
  std::vector<Block> blocks;
  for (size_t d = 0; d < documents.size(); ++d) {
    if (blocks.empty() || blocks.back().bytes >= kBlockBytes) blocks.push_back({d, d, 0});
    blocks.back().end = d + 1;
    blocks.back().bytes += documents[d].size();
  }
  return blocks;
}

std::vector<int32_t> EncodeDocument(const Tokenizer& tokenizer, std::string_view document) {
  std::vector<int32_t> ids = tokenizer.Encode(document, {});
  if (ids.empty()) return ids;
  if (tokenizer.adds_bos()) ids.insert(ids.begin(), *tokenizer.bos());
  if (tokenizer.eos()) ids.push_back(*tokenizer.eos());
  return ids;
}

class Writer {
 public:
  Writer(const ThreadPool& pool, const Tokenizer& tokenizer, std::string folder, const ShardWriting& writing)
      : pool_(pool),
        tokenizer_(tokenizer),
        folder_(std::move(folder)),
        writing_(writing),
        digest_(VocabularyDigest(tokenizer)) {}

  Result<ShardSummary> Run(std::span<const std::string_view> documents) {
    const auto blocks = CutIntoBlocks(documents);
    const size_t wave = kBlocksPerThread * static_cast<size_t>(pool_.threads());
    uint64_t done = 0;
    for (size_t first = 0; first < blocks.size(); first += wave) {
      if (writing_.cancel && writing_.cancel->load())
        return tl::unexpected(Error{ErrorCode::kCancelled, "stopped; no shard was kept"});
      const size_t count = std::min(wave, blocks.size() - first);
      std::vector<std::vector<std::vector<int32_t>>> encoded(count);
      pool_.Run(static_cast<int64_t>(count), [&](int64_t task) {
        const Block& block = blocks[first + static_cast<size_t>(task)];
        for (size_t d = block.begin; d < block.end; ++d)
          encoded[static_cast<size_t>(task)].push_back(EncodeDocument(tokenizer_, documents[d]));
      });
      for (size_t b = 0; b < count; ++b) {
        for (const auto& ids : encoded[b]) HEW_RETURN_IF_ERROR(Add(ids));
        done += blocks[first + b].bytes;
      }
      if (writing_.progress) writing_.progress(done);
    }
    if (shard_) HEW_RETURN_IF_ERROR(Close());
    if (summary_.paths.empty()) return BadInput("{}: expected documents that give tokens, found none", folder_);
    return summary_;
  }

  void RemoveAll() {
    std::error_code ignored;
    for (const auto& path : summary_.paths) std::filesystem::remove(path, ignored);
  }

 private:
  Status Add(const std::vector<int32_t>& ids) {
    if (ids.empty()) return {};
    if (shard_ && shard_->tokens() + static_cast<int64_t>(ids.size()) > writing_.max_tokens) {
      HEW_RETURN_IF_ERROR(Close());
    }
    if (!shard_) {
      path_ = fmt::format("{}/tokens-{:05}.shard", folder_, summary_.paths.size());
      shard_.emplace(path_, tokenizer_.vocab_size(), digest_);
    }
    shard_->Add(ids);
    summary_.tokens += static_cast<int64_t>(ids.size());
    ++summary_.documents;
    return {};
  }

  Status Close() {
    HEW_RETURN_IF_ERROR(shard_->Commit());
    summary_.paths.push_back(path_);
    shard_.reset();
    return {};
  }

  const ThreadPool& pool_;
  const Tokenizer& tokenizer_;
  std::string folder_, path_;
  const ShardWriting& writing_;
  std::string digest_;
  std::optional<ShardFile> shard_;
  ShardSummary summary_;
};

}  // namespace

std::string VocabularyDigest(const Tokenizer& tokenizer) {
  Sha256 digest;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    std::string entry;
    const std::string bytes = tokenizer.TokenBytes(id, /*special=*/true);
    Append(&entry, static_cast<uint64_t>(bytes.size()));
    entry += bytes;
    entry += tokenizer.IsSpecial(id) ? '\1' : '\0';
    digest.Update(entry);
  }
  return digest.HexDigest();
}

Result<ShardSummary> WriteTokenShards(const ThreadPool& pool, const Tokenizer& tokenizer,
                                      std::span<const std::string_view> documents, const std::string& folder,
                                      const ShardWriting& writing) {
  HEW_RETURN_IF_ERROR(MakeFolder(folder));
  Writer writer(pool, tokenizer, folder, writing);
  auto summary = writer.Run(documents);
  if (!summary) writer.RemoveAll();
  return summary;
}

}  // namespace hew
