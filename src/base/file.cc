#include "base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file_steps.h"

namespace hew {
namespace {

std::string LastError() { return std::strerror(errno); }

Status Tell(const FileObserver& observer, FileStep step, const std::string& path) {
  return observer ? observer(step, path) : Status();
}

Status WriteAll(int fd, const std::string& temporary, std::string_view bytes, uint64_t* size) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return EnvironmentError("{}: cannot write at byte {}: {}", temporary, *size, LastError());
    bytes.remove_prefix(static_cast<size_t>(written));
    *size += static_cast<uint64_t>(written);
  }
  return {};
}

// Synced and renamed, the file closed, the folder synced.
Status Finish(int* fd, const std::string& temporary, const std::string& path, const FileObserver& observer) {
  HEW_RETURN_IF_ERROR(Tell(observer, FileStep::kSync, path));
  if (::fsync(*fd) != 0) return EnvironmentError("{}: cannot sync: {}", temporary, LastError());
  HEW_RETURN_IF_ERROR(Tell(observer, FileStep::kRename, path));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return EnvironmentError("{}: cannot rename to {}: {}", temporary, path, LastError());
  }
  ::close(std::exchange(*fd, -1));
  return SyncFolderOf(path, observer);
}

}  // namespace

Result<MappedFile> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: a pipe without a writer is refused below instead of waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

void ForgetMapped(std::string_view bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;  // whole pages alone
  const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return BadInput("{}: cannot open: {}", path, LastError());
  std::string bytes, block(1 << 16, '\0');
  ssize_t got;
  while ((got = ::read(fd, block.data(), block.size())) > 0 && bytes.size() <= max_bytes) bytes.append(block, 0, got);
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
  file.fd_ = ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
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

Status AtomicFile::Commit() { return Finish(&fd_, temporary_, path_, {}); }

Status WriteFileInSteps(const std::string& path, std::string_view bytes, const FileObserver& observer) {
  HEW_RETURN_IF_ERROR(Tell(observer, FileStep::kCreate, path));
  const std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return EnvironmentError("{}: cannot create: {}", temporary, LastError());
  uint64_t size = 0;
  Status status = Tell(observer, FileStep::kWrite, path);
  if (status) status = WriteAll(fd, temporary, bytes, &size);
  if (status) status = Finish(&fd, temporary, path, observer);
  if (fd < 0) return status;  // renamed: what failed after that leaves the file
  ::close(fd);
  ::unlink(temporary.c_str());
  return status;
}

Status SyncFolderOf(const std::string& path, const FileObserver& observer) {
  HEW_RETURN_IF_ERROR(Tell(observer, FileStep::kSyncFolder, path));
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return EnvironmentError("{}: cannot open folder: {}", folder, LastError());
  const int failed = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some file systems cannot sync a folder; that is no failure of ours.
  if (failed && error != EINVAL && error != ENOTSUP) {
    return EnvironmentError("{}: cannot sync folder: {}", folder, std::strerror(error));
  }
  return {};
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
  std::filesystem::create_directories(path, error);
  if (error) return EnvironmentError("{}: cannot create folder: {}", path, error.message());
  return {};
}

}  // namespace hew
