// Files: whole ones mapped or read, new ones written so that a reader sees the old file or the new one, never a half.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

// A read-only mapping of a whole file. Move-only; the bytes live as long as the object.
class MappedFile {
 public:
  // Errors: kBadInput "PATH: cannot open: ..." when it is missing or no regular file.
  static Result<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

// Gives back the memory of bytes of a MappedFile that have been read: touched again, they come from the file again.
void ForgetMapped(std::string_view bytes);

// Reads a whole file ("-" is standard input); refuses one larger than max_bytes.
Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes = uint64_t{1} << 32);

// Writes to PATH.tmp.<pid>, and Commit() syncs it, renames it to PATH and syncs the folder. Destroyed uncommitted, it
// leaves nothing behind. Errors are kEnvironment and name the path.
class AtomicFile {
 public:
  static Result<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Status Write(std::string_view bytes);
  Status Commit();
  uint64_t size() const { return size_; }

 private:
  AtomicFile() = default;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_, temporary_;
};

Status WriteFileAtomically(const std::string& path, std::string_view bytes);
// Removes what killed programs left beside `path`: files and folders PATH.tmp.<pid>... and PATH.unchecked.<pid>... of
// processes that are gone. Those of running ones stay.
void RemoveLeftovers(std::string path);
Status MakeFolder(const std::string& path);  // with its parents; fine if it exists

}  // namespace hew
