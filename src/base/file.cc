#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file_calls.h"

namespace hew {
namespace {

std::string LastError() { return std::strerror(errno); }

}  // namespace

Result<MappedFile> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: a pipe without a writer is refused below instead of waited for.
  const int fd = file_calls::Open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return BadInput("{}: cannot open: {}", path, LastError());
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return BadInput("{}: expected a regular file", path);
  }
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<size_t>(info.st_size);
  if (file.size_ > 0) {
    file.data_ = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file.data_ == MAP_FAILED) {
      const int error = errno;
      file.data_ = nullptr;
      ::close(fd);
      return EnvironmentError("{}: cannot map {} bytes: {}", path, file.size_, std::strerror(error));
    }
  }
  ::close(fd);
  return file;
}

MappedFile MappedFile::Copy(std::string_view bytes, const std::string& path) {
  MappedFile file;
  file.path_ = path;
  file.size_ = bytes.size();
  file.copy_ = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.copy_.get());
  file.data_ = file.copy_.get();
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  std::swap(copy_, other.copy_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ && !copy_) ::munmap(data_, size_);
}

void ForgetMapped(std::string_view bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;  // whole pages alone
  const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : file_calls::Open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return BadInput("{}: cannot open: {}", path, LastError());
  std::string bytes, block(1 << 16, '\0');
  ssize_t got;
  while ((got = file_calls::Read(fd, block.data(), block.size())) > 0 && bytes.size() <= max_bytes)
    bytes.append(block, 0, got);
  const int error = got < 0 ? errno : 0;
  if (!standard_input) ::close(fd);
  if (error) return BadInput("{}: cannot read: {}", path, std::strerror(error));
  if (bytes.size() > max_bytes) return BadInput("{}: expected at most {} bytes, found more", path, max_bytes);
  return bytes;
}

Result<AtomicFile> AtomicFile::Create(const std::string& path) {
  AtomicFile file;
  file.path_ = path;
  file.temporary_ = fmt::format("{}.tmp.{}", path, ::getpid());
  file.fd_ = file_calls::Open(file.temporary_, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return EnvironmentError("{}: cannot create: {}", file.temporary_, LastError());
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::Write(std::string_view bytes) { return WriteAll(fd_, temporary_, bytes, &size_); }

Status AtomicFile::Commit() {
  if (file_calls::Sync(fd_) != 0) return EnvironmentError("{}: cannot sync: {}", temporary_, LastError());
  if (file_calls::Rename(temporary_, path_) != 0) {
    return EnvironmentError("{}: cannot rename to {}: {}", temporary_, path_, LastError());
  }
  ::close(std::exchange(fd_, -1));
  return SyncFolderOf(path_);
}

Result<AppendFile> AppendFile::Open(const std::string& path, uint64_t keep) {
  AppendFile file;
  file.path_ = path;
  file.fd_ = file_calls::Open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return EnvironmentError("{}: cannot open: {}", path, LastError());
  struct stat info {};
  if (::fstat(file.fd_, &info) != 0) return EnvironmentError("{}: cannot open: {}", path, LastError());
  file.size_ = static_cast<uint64_t>(info.st_size);
  if (file.size_ > keep) {
    if (file_calls::Truncate(file.fd_, keep) != 0) {
      return EnvironmentError("{}: cannot cut to {} bytes: {}", path, keep, LastError());
    }
    file.size_ = keep;
  }
  return file;
}

AppendFile::AppendFile(AppendFile&& other) noexcept { *this = std::move(other); }

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status AppendFile::Write(std::string_view bytes) { return WriteAll(fd_, path_, bytes, &size_); }

Status AppendFile::Sync() {
  if (file_calls::Sync(fd_) != 0) return EnvironmentError("{}: cannot sync: {}", path_, LastError());
  return {};
}

Status SyncFolderOf(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (file_calls::SyncFolder(folder) == 0) return {};
  // Some file systems cannot sync a folder; that is no failure of ours.
  if (errno == EINVAL || errno == ENOTSUP) return {};
  return EnvironmentError("{}: cannot sync folder: {}", folder, LastError());
}

Status RenamePath(const std::string& from, const std::string& to) {
  if (file_calls::Rename(from, to) != 0) return EnvironmentError("{}: cannot rename to {}: {}", from, to, LastError());
  return SyncFolderOf(to);
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  HEW_ASSIGN(auto file, AtomicFile::Create(path));
  HEW_RETURN_IF_ERROR(file.Write(bytes));
  return file.Commit();
}

void RemoveLeftovers(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::filesystem::path whole(path);
  const std::string name = whole.filename().string();
  std::error_code ignored;
  std::vector<std::filesystem::path> gone;
  for (const auto& entry : std::filesystem::directory_iterator(
           whole.has_parent_path() ? whole.parent_path() : std::filesystem::path("."), ignored)) {
    const std::string found = entry.path().filename().string();
    for (const char* mark : {".tmp.", ".unchecked."}) {
      if (!found.starts_with(name + mark)) continue;
      int pid = 0;
      const char* begin = found.data() + name.size() + std::strlen(mark);
      const auto parsed = std::from_chars(begin, found.data() + found.size(), pid);
      const bool complete = parsed.ec == std::errc() && (*parsed.ptr == '\0' || *parsed.ptr == '.');
      if (complete && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) gone.push_back(entry.path());
    }
  }
  for (const auto& leftover : gone) std::filesystem::remove_all(leftover, ignored);
}

Status MakeFolder(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) HEW_RETURN_IF_ERROR(MakeFolder(parent.string()));
  if (file_calls::MakeFolder(path) != 0) {
    const std::string reason = LastError();
    if (std::filesystem::is_directory(path, error)) return {};  // another process was first
    return EnvironmentError("{}: cannot create folder: {}", path, reason);
  }
  Status synced = SyncFolderOf(path);
  if (!synced) ::rmdir(path.c_str());  // a failure leaves nothing
  return synced;
}

}  // namespace hew
