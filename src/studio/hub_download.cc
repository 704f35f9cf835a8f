#include "studio/hub_download.h"

#include <charconv>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"
#include "base/git_blob.h"
#include "base/partial_file.h"
#include "base/progress.h"
#include "base/shown.h"

namespace hew {
namespace {

namespace fs = std::filesystem;

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string Unquoted(std::string tag) {
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') return tag.substr(1, tag.size() - 2);
  return tag;
}

// What identifies the file that the bytes of a part belong to, kept beside it for a later program.
std::string TagPath(const std::string& path) { return path + ".part.etag"; }

std::string ReadTag(const std::string& path) {
  auto text = ReadFile(TagPath(path), 1024);
  if (!text || text->find_first_of("\r\n") != std::string::npos) return "";
  return *text;
}

// Total of "bytes 10-99/100", where it begins at `from`.
std::optional<uint64_t> TotalOfRange(const std::string& range, uint64_t from) {
  const std::string start = fmt::format("bytes {}-", from);
  const size_t slash = range.find('/');
  if (!range.starts_with(start) || slash == std::string::npos) return std::nullopt;
  uint64_t total = 0;
  const char* end = range.data() + range.size();
  const auto [at, error] = std::from_chars(range.data() + slash + 1, end, total);
  if (error != std::errc() || at != end || total < from) return std::nullopt;
  return total;
}

// Appends to the part what one attempt after the other brings.
class FileReceiver : public HttpReceiver {
 public:
  FileReceiver(PartialFile* part, WantedFile* wanted, const std::string& path)
      : part_(part), wanted_(wanted), path_(path), tag_(part->size() > 0 ? ReadTag(path) : "") {}

  // Bytes of which nothing says what they belong to are worth nothing: a digest of the whole or a tag must hold them.
  uint64_t offset() const override {
    const bool held = !tag_.empty() || !wanted_->sha256.empty() || !wanted_->git_sha1.empty();
    return held ? part_->size() : 0;
  }
  std::string if_range() const override { return tag_; }

  Status Begin(const DownloadResponse& response) override {
    std::optional<uint64_t> total = response.content_length();
    if (response.status == 200 || offset() == 0) HEW_RETURN_IF_ERROR(part_->Restart());
    if (response.status == 206) {
      total = TotalOfRange(response.Header("content-range"), part_->size());
      if (!total) {
        return BadInput("{}: Content-Range: expected it to begin at byte {}, found '{}'", wanted_->name, part_->size(),
                        Shown(response.Header("content-range")));
      }
    }
    if (!total) return BadInput("{}: expected the server to announce a size, found none", wanted_->name);
    if (wanted_->bytes && *wanted_->bytes != *total) {
      return BadInput("{}: expected {} bytes, the server announces {}", wanted_->name, *wanted_->bytes, *total);
    }
    wanted_->bytes = total;
    HEW_RETURN_IF_ERROR(CheckRoom(*total - part_->size()));
    HEW_RETURN_IF_ERROR(TakeDigest(response));
    if (const std::string tag = response.Header("etag"); response.status == 200 && tag != tag_) {
      tag_ = tag.starts_with("W/") ? "" : tag;  // a weak one does not promise the same bytes
      HEW_RETURN_IF_ERROR(WriteFileAtomically(TagPath(path_), tag_));
    }
    if (!progress_) {
      progress_.emplace(wanted_->name, static_cast<int64_t>(*total), false, Progress::Unit::kBytes);
      progress_->Update(static_cast<int64_t>(part_->size()));
    }
    return {};
  }

  Status Write(std::string_view bytes) override {
    if (bytes.size() > *wanted_->bytes - part_->size()) {
      return BadInput("{}: expected {} bytes, the server sends more", wanted_->name, *wanted_->bytes);
    }
    HEW_RETURN_IF_ERROR(part_->Write(bytes));
    progress_->Update(static_cast<int64_t>(part_->size()));
    return {};
  }

  Status RangeRefused() override { return part_->Restart(); }

 private:
  Status CheckRoom(uint64_t needed) const {
    std::error_code error;
    const auto space = fs::space(fs::path(path_).parent_path(), error);
    if (error || needed <= space.available) return {};
    return EnvironmentError("{}: needs {} on the disk, {} are free", wanted_->name, HumanBytes(needed),
                            HumanBytes(space.available));
  }

  // A digest that the server names, where none was known before.
  Status TakeDigest(const DownloadResponse& response) {
    if (!wanted_->sha256.empty() || !wanted_->git_sha1.empty()) return {};
    const std::string digest = Unquoted(response.Header("x-linked-etag"));
    if (IsHex(digest, 64)) wanted_->sha256 = digest;
    if (IsHex(digest, 40)) wanted_->git_sha1 = digest;
    return {};
  }

  PartialFile* part_;
  WantedFile* wanted_;
  const std::string& path_;
  std::string tag_;
  std::optional<Progress> progress_;
};

// "" when the file is the wanted one, else the line that says how it differs.
Result<std::string> Difference(const std::string& path, const WantedFile& wanted) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(path, error);
  if (error) return EnvironmentError("{}: cannot read its size: {}", path, error.message());
  if (wanted.bytes && bytes != *wanted.bytes) {
    return fmt::format("{}: expected {} bytes, found {}", wanted.name, *wanted.bytes, bytes);
  }
  if (!wanted.sha256.empty()) {
    HEW_ASSIGN(const std::string found, Sha256OfFile(path));
    if (found != wanted.sha256)
      return fmt::format("{}: expected sha256 {}, found {}", wanted.name, wanted.sha256, found);
  } else if (!wanted.git_sha1.empty()) {
    HEW_ASSIGN(const std::string found, GitBlobSha1OfFile(path));
    if (found != wanted.git_sha1)
      return fmt::format("{}: expected git blob {}, found {}", wanted.name, wanted.git_sha1, found);
  }
  return std::string();
}

void Forget(const std::string& path) {
  std::error_code ignored;
  fs::remove(path + ".part", ignored);
  fs::remove(TagPath(path), ignored);
}

}  // namespace

Result<bool> IsArrived(const std::string& path, const WantedFile& wanted) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored) || (wanted.sha256.empty() && wanted.git_sha1.empty())) return false;
  HEW_ASSIGN(const std::string difference, Difference(path, wanted));
  return difference.empty();
}

Result<ArrivedFile> Download(const HttpSettings& settings, const std::string& token, const std::string& token_origin,
                             const WantedFile& given, const std::string& path) {
  for (bool resumed = ArrivedBytes(path) > 0;; resumed = false) {
    WantedFile wanted = given;
    {
      HEW_ASSIGN(PartialFile part, PartialFile::Open(path));
      if (wanted.bytes && part.size() > *wanted.bytes) HEW_RETURN_IF_ERROR(part.Restart());
      FileReceiver receiver(&part, &wanted, path);
      if (!wanted.bytes || receiver.offset() < *wanted.bytes || receiver.offset() == 0) {
        auto response = HttpGet(settings, {wanted.url, token, token_origin}, &receiver);
        if (!response) {
          if (part.size() == 0) Forget(path);
          return tl::unexpected(std::move(response).error());
        }
      }
      HEW_RETURN_IF_ERROR(part.Sync());
    }
    HEW_ASSIGN(const std::string difference, Difference(path + ".part", wanted));
    if (difference.empty()) {
      HEW_ASSIGN(std::string sha256, Sha256OfFile(path + ".part"));
      return ArrivedFile{wanted.name, std::move(sha256), ArrivedBytes(path),
                         !wanted.sha256.empty() || !wanted.git_sha1.empty()};
    }
    Forget(path);
    if (!resumed) return BadInput("{}", difference);  // else the kept bytes were at fault: once more from the start
  }
}

Status InstallArrived(const std::string& path) {
  {
    HEW_ASSIGN(PartialFile part, PartialFile::Open(path));
    HEW_RETURN_IF_ERROR(part.Install());
  }
  Forget(path);
  return {};
}

uint64_t ArrivedBytes(const std::string& path) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(path + ".part", error);
  return error ? 0 : bytes;
}

Status CheckFileName(const std::string& name, const std::string& where) {
  bool good = !name.empty() && name.size() <= 512 && FindInvalidUtf8(name) == std::string::npos;
  for (size_t at = 0; good && at <= name.size();) {
    const size_t slash = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, slash - at);
    good = !part.empty() && part != "." && part != ".." && part.size() <= 200;
    for (const unsigned char c : part) good = good && c >= 0x20 && c != 0x7F && c != '\\';
    at = slash + 1;
  }
  if (!good) return BadInput("{}: expected a plain file name, found '{}'", where, Shown(name));
  return {};
}

}  // namespace hew
