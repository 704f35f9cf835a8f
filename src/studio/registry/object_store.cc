#include "studio/registry/object_store.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"

namespace hew {

namespace fs = std::filesystem;

Result<std::string> ObjectStore::Put(std::string_view bytes) const {
  std::string digest = Sha256Hex(bytes);
  const std::string path = PathOf(digest);
  std::error_code error;
  if (Has(digest) && Check(digest)) {
    // Whoever wrote it may have been killed before the folder was synced.
    HEW_RETURN_IF_ERROR(SyncFolderOf(path));
    return digest;
  }
  HEW_RETURN_IF_ERROR(WriteFileAtomically(path, bytes));
  // Versions are handed out as hard links to objects: an editor must not change one by accident.
  fs::permissions(path, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read, error);
  return digest;
}

Result<std::string> ObjectStore::PutFile(const std::string& path) const {
  HEW_ASSIGN(const MappedFile file, MappedFile::Open(path));
  return Put(file.bytes());
}

bool ObjectStore::Has(const std::string& digest) const {
  std::error_code error;
  return IsDigest(digest) && fs::is_regular_file(PathOf(digest), error);
}

Result<std::string> ObjectStore::Get(const std::string& digest) const {
  HEW_ASSIGN(std::string bytes, ReadFile(PathOf(digest)));
  const std::string found = Sha256Hex(bytes);
  if (found != digest) return BadInput("{}: expected bytes of this SHA-256, found {}", PathOf(digest), found);
  return bytes;
}

Status ObjectStore::Check(const std::string& digest) const {
  HEW_ASSIGN(const std::string found, Sha256OfFile(PathOf(digest)));
  if (found != digest) return BadInput("{}: expected bytes of this SHA-256, found {}", PathOf(digest), found);
  return {};
}

Result<std::vector<std::string>> ObjectStore::List() const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return EnvironmentError("{}: cannot list: {}", folder_, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

Result<uint64_t> ObjectStore::Remove(const std::string& name) const {
  std::error_code error;
  const uint64_t bytes = fs::file_size(PathOf(name), error);
  if (!fs::remove(PathOf(name), error) && error)
    return EnvironmentError("{}: cannot remove: {}", PathOf(name), error.message());
  return bytes;
}

bool IsDigest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace hew
