// Files: whole ones mapped or read, new ones written so that a reader sees the old file or the new one, never a half.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hew {

// A read-only mapping of a whole file. Move-only; the bytes live as long as the object.
class MappedFile {
 public:
  // Errors: kBadInput "PATH: cannot open: ..." when it is missing or no regular file.
  static Result<MappedFile> Open(const std::string& path);
  // As if a file of these bytes had been mapped, but in memory of their size, whose ends a sanitizer watches.
  static MappedFile Copy(std::string_view bytes, const std::string& path);
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
  std::unique_ptr<char[]> copy_;
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

// A file that grows line by line, such as a log. Its bytes are on the disk after Sync().
class AppendFile {
 public:
  // Made where there is none. What it holds beyond `keep` bytes is cut off.
  static Result<AppendFile> Open(const std::string& path, uint64_t keep = UINT64_MAX);
  AppendFile() = default;  // not open
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;
  ~AppendFile();

  bool is_open() const { return fd_ >= 0; }
  Status Write(std::string_view bytes);
  Status Sync();

 private:
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_;
};

Status WriteFileAtomically(const std::string& path, std::string_view bytes);
// Removes what killed programs left beside `path`: files and folders PATH.tmp.<pid>... and PATH.unchecked.<pid>... of
// processes that are gone. Those of running ones stay.
void RemoveLeftovers(std::string path);
Status MakeFolder(const std::string& path);  // with its parents, durably; fine if it exists
// A file or folder that is whole gets its name; durable when it succeeds.
Status RenamePath(const std::string& from, const std::string& to);
// Makes a rename to `path`, or its making, durable.
Status SyncFolderOf(const std::string& path);

}  // namespace hew
